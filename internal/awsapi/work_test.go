package awsapi

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/awsjson"
)

// TestWorkIsBounded: a call for which there is no room waits before anything is
// hashed or decoded, and is told to come again if it waits in vain; SDKs do.
func TestWorkIsBounded(t *testing.T) {
	w := newWorld(t, worldOptions{})
	handler := w.api.Handler()
	if !w.api.work.TryAcquire(maxWork - leastWork + 1) {
		t.Fatal("there was no room to take")
	}
	call := func(patience time.Duration) *httptest.ResponseRecorder {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r := httptest.NewRequest("POST", "/", strings.NewReader("{}")).WithContext(ctx)
		r.RequestURI = "/"
		r.Header.Set("Content-Type", awsjson.ContentType)
		r.Header.Set("X-Amz-Target", "AWSMPMeteringService.MeterUsage")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		return answer
	}
	if got := call(20 * time.Millisecond); got.Code != 503 || !strings.Contains(got.Body.String(), `"ServiceUnavailable"`) {
		t.Errorf("without room: %d %s; want 503 ServiceUnavailable", got.Code, got.Body)
	}
	w.api.work.Release(maxWork - leastWork + 1)
	if got := call(time.Minute); got.Code != 403 { // it gets as far as the signature it does not have
		t.Errorf("with room: %d %s; want 403", got.Code, got.Body)
	}
	if !w.api.work.TryAcquire(maxWork) {
		t.Error("a call did not give back the room it had")
	}
}
