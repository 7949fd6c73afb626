package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of time in /proc/PID/stat on Linux: a hundredth of a second.
const tick = 10 * time.Millisecond

// stat reads the parent of a process, and the time that its threads have spent on
// the processors.
func stat(pid int) (parent int, used time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// pid (name) state ppid …; the name may hold anything, brackets too.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var n [13]int64
	for _, i := range []int{1, 11, 12} { // ppid utime stime
		if n[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return 0, 0, err
		}
	}
	return int(n[1]), time.Duration(n[11]+n[12]) * tick, nil
}

// family is the time that a process and its children have spent: PostgreSQL's, none
// of which has threads. There are many and each does little, so they are asked for
// nanoseconds; what ended in the meantime is not there any more.
func family(parent int) (sum time.Duration, err error) {
	add := func(pid int) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(ns)
		return err
	}
	if err := add(parent); err != nil {
		return 0, err
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, name := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		if of, _, err := stat(pid); err == nil && of == parent {
			_ = add(pid) // it may have ended meanwhile
		}
	}
	return sum, nil
}

// memory reads VmHWM, the most that a process had resident, or VmRSS, what it has.
func memory(pid int, field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, field)
}

// allocations is how many a server's Go has made.
func (s *server) allocations(ctx context.Context) (float64, error) {
	if s.metrics == "" {
		return 0, nil
	}
	text, err := get(ctx, s.metrics)
	if err != nil {
		return 0, err
	}
	const name = "go_memstats_mallocs_total "
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.New(s.metrics + " has no " + name)
}

// spent is what servers have used so far.
type spent struct {
	cpu, database time.Duration
	allocations   float64
}

// spent sums up over the servers of a contender, and over its database's processes.
func (r *running) spent(ctx context.Context) (sum spent, err error) {
	for _, s := range r.servers {
		_, used, err := stat(s.pid())
		if err != nil {
			return sum, errors.Join(s.gone(), err)
		}
		sum.cpu += used
		n, err := s.allocations(ctx)
		if err != nil {
			return sum, errors.Join(s.gone(), err)
		}
		sum.allocations += n
	}
	if r.database != 0 {
		sum.database, err = family(r.database)
	}
	return sum, err
}

// size is how many bytes a folder's files have.
func size(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}
