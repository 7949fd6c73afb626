package main

import "syscall"

// attributes of a process that is started here: the kernel ends it when this one is
// killed before it can, and an interrupt at the terminal reaches this one only.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
