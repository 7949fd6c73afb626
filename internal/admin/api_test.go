package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestGuard lets nobody in without the token.
func TestGuard(t *testing.T) {
	s := newService(t)
	handler := s.Handler()
	for name, header := range map[string]string{
		"none": "", "wrong": "Bearer wrong", "prefix": "Bearer secre", "other scheme": "Basic secret", "bare": "secret", "empty": "Bearer ",
	} {
		for _, path := range []string{"/admin/v1/clock", "/admin/v1/nothing", "/admin/v1/records"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Authorization", header)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s token, %s: %d %s; want 401 as a problem", name, path, w.Code, w.Header())
			}
		}
	}
	s.Token = ""
	r := httptest.NewRequest(http.MethodGet, "/admin/v1/clock", nil)
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("a service without a token let a call in: %d", w.Code)
	}
}

// TestClockStandsFast serves no clock where it must not move.
func TestClockStandsFast(t *testing.T) {
	s := newService(t)
	for moves, want := range map[bool]int{false: http.StatusNotFound, true: http.StatusOK} {
		s.ClockMoves = moves
		for method, body := range map[string]string{http.MethodGet: "", http.MethodPut: `{"advance":"1h"}`} {
			r := httptest.NewRequest(method, "/admin/v1/clock", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer secret")
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s, with a clock that moves %v: %d %s; want %d", method, moves, w.Code, w.Body, want)
			}
		}
	}
}

// TestNoFaultsOutsideDev serves no fault injection where none is wired.
func TestNoFaultsOutsideDev(t *testing.T) {
	s := newService(t)
	r := httptest.NewRequest(http.MethodPut, "/admin/v1/faults", strings.NewReader(`{"operation":"MeterUsage","code":"ThrottlingException","count":1}`))
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if body, _ := io.ReadAll(w.Body); w.Code != http.StatusNotFound {
		t.Errorf("got %d %s; want 404", w.Code, body)
	}
}
