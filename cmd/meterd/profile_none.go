//go:build !meterd_profile

package main

import "net/http"

// profiled serves the profile of the process, of which production has none.
func profiled(http.ResponseWriter, *http.Request) bool { return false }
