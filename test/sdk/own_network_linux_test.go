package sdk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// ownNetwork is the variable that a run in a network of its own has: the folder
// with its hosts file.
const ownNetwork = "METERD_SDK_OWN_NETWORK"

// exitNoNetwork is how it ends where it may not have one.
const exitNoNetwork = 77

// Capabilities (linux/capability.h) that are had in namespaces of one's own.
const (
	capNetBindService = 10
	capNetAdmin       = 12
	capSysAdmin       = 21
)

// runInOwnNetwork runs the test again, in namespaces of its own, or says in one
// line why that cannot be.
func runInOwnNetwork(t *testing.T, dir string) (output, missing string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spaces := uintptr(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET)
	if os.Geteuid() == 0 {
		spaces &^= syscall.CLONE_NEWUSER
	}
	for {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=3m")
		cmd.Env = append(os.Environ(), ownNetwork+"="+dir, "METERD_BINARY="+binary)
		cmd.SysProcAttr = dieWithParent()
		cmd.SysProcAttr.Cloneflags = spaces
		if spaces&syscall.CLONE_NEWUSER != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
			cmd.SysProcAttr.AmbientCaps = []uintptr{capNetBindService, capNetAdmin, capSysAdmin} // meterd inherits the first
		}
		out, err := cmd.CombinedOutput()
		exit := (*exec.ExitError)(nil)
		switch {
		case err == nil:
			return string(out), ""
		case errors.As(err, &exit) && exit.ExitCode() != exitNoNetwork:
			t.Fatalf("%v\n%s", err, out)
		case spaces&syscall.CLONE_NEWUSER == 0: // a root that may not, as in a container
			spaces |= syscall.CLONE_NEWUSER
		case exit != nil:
			return "", string(out)
		default:
			return "", err.Error()
		}
	}
}

// enterOwnNetwork readies the namespaces that the process was started in: its hosts
// file is everyone's here, and loopback is up.
func enterOwnNetwork(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	if err := syscall.Mount(filepath.Join(dir, "hosts"), "/etc/hosts", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("a hosts file of its own: %w", err)
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	request := struct { // ifreq of netdevice(7)
		name  [16]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("a loopback of its own: %w", errno)
	}
	return nil
}
