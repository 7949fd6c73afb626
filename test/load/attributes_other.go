//go:build !linux

package main

import "syscall"

// attributes are nothing special where /proc is missing: nothing can be measured there.
func attributes() *syscall.SysProcAttr { return nil }
