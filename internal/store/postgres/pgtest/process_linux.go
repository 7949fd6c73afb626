package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// owner is the user whom servers run as when the tests run as root, because
// PostgreSQL refuses root.
type owner struct{ uid, gid int }

// serverOwner returns nil if the tests do not run as root.
func serverOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		return &owner{uid, gid}, err
	}
	return nil, fmt.Errorf("there is neither a user postgres nor nobody to run a server as")
}

// own gives a file to the owner.
func (o *owner) own(path string) error {
	if o == nil {
		return nil
	}
	return os.Lchown(path, o.uid, o.gid)
}

// attributes of a process of the owner's. It is in a process group of its own,
// so that an interrupt at the terminal reaches the tests only; and the kernel
// shuts it down when the tests are killed before they can, as a timeout of "go
// test" does. SIGQUIT is PostgreSQL's immediate shutdown: on SIGKILL its children
// would live on until they notice.
func (o *owner) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if o != nil {
		a.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return a
}

// children returns the processes that a process has started and that still run.
// A server's are all its direct children.
func children(parent int) []int {
	var pids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, name := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		if ppid, running := status(pid); running && ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// status reads a process's parent and whether it runs. One that has ended may
// stay in the table for long where nobody collects orphans, as in a container.
func status(pid int) (parent int, running bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// pid (name) state ppid …; the name may hold anything, brackets too.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil && fields[0] != "Z" && fields[0] != "X"
}

func tell(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }

func signal(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s) // it may have ended by itself
	}
}

// freeze stops a server and all its children where they are, until thaw is
// called. The postmaster comes first: it must not start a child meanwhile.
func freeze(postmaster int) (thaw func(), err error) {
	pids := []int{postmaster}
	signal(pids, syscall.SIGSTOP)
	pids = append(pids, children(postmaster)...)
	signal(pids, syscall.SIGSTOP)

	// A process that is stopped does not hear a shutdown. So thawing is done by a
	// shell that waits for its input to end: if the tests are killed, it ends too.
	args := []string{"-c", `read -r line; kill -CONT "$@"`, "sh"}
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	cmd := exec.Command("sh", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		signal(pids, syscall.SIGCONT)
		return nil, err
	}
	return func() {
		_ = in.Close()
		_ = cmd.Wait() // it complains of a child that has ended
	}, nil
}

// awaitGone returns when none of the processes runs, or after a while that is
// long enough for whatever was killed.
func awaitGone(pids []int) {
	for range 1000 {
		gone := true
		for _, pid := range pids {
			if _, running := status(pid); running {
				gone = false
			}
		}
		if gone {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// slay kills a server and all its children at once, as a crash of the machine
// would, and returns when none of them runs.
func slay(postmaster int) {
	signal([]int{postmaster}, syscall.SIGSTOP) // no child is started from here on
	pids := append(children(postmaster), postmaster)
	signal(pids, syscall.SIGKILL)
	awaitGone(pids)
}

// lock waits for a lock that only one process has. It ends with the process.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
