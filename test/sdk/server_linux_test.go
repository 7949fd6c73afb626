package sdk

import "syscall"

// dieWithParent has the kernel end the server when the tests are killed before
// they can do it themselves, as a timeout of "go test" does.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
