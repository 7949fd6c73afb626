//go:build meterd_profile

package main

import (
	"net/http"
	"net/http/pprof"
)

// profiled, here, is for measuring (make bench-e2e): beside /metrics there is the
// processor's profile.
func profiled(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/debug/pprof/profile" {
		return false
	}
	pprof.Profile(w, r)
	return true
}
