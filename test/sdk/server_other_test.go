//go:build !linux

package sdk

import "syscall"

// dieWithParent has no counterpart here: killed tests leave their server.
func dieWithParent() *syscall.SysProcAttr { return nil }
