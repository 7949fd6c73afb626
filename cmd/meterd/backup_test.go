package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
)

// TestBackupUnderLoad backs a server up in the midst of calls, several times,
// restores each backup elsewhere, serves from it, and finds every record that was
// acknowledged before the backup began, once, under its id.
func TestBackupUnderLoad(t *testing.T) {
	const backups, callers = 3, 4
	binary, err := exec.LookPath("meterd") // this program, by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	catalog, data := filepath.Join(dir, "catalog.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(catalog, []byte(killCatalog()), 0o600); err != nil {
		t.Fatal(err)
	}
	server := startDev(t, binary, "--data", data, "--catalog", catalog, "--throttle", "off", "--clock", "2026-09-15T23:30:00Z")
	var mu sync.Mutex
	acknowledged := make(map[string]int32)
	var numbers atomic.Int32
	var stop atomic.Bool
	var callersDone sync.WaitGroup
	for range callers {
		callersDone.Go(func() {
			for !stop.Load() {
				number := numbers.Add(1)
				id, ok := server.meter(number)
				if !ok {
					return
				}
				mu.Lock()
				acknowledged[id] = number
				mu.Unlock()
			}
		})
	}
	type taken struct {
		file   string
		before map[string]int32
	}
	var all []taken
	for i := range backups {
		time.Sleep(300 * time.Millisecond)
		mu.Lock()
		before := maps.Clone(acknowledged)
		mu.Unlock()
		file := filepath.Join(dir, "backup"+string(rune('0'+i)))
		began := time.Now()
		if err := server.command(binary, "backup", file).Run(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("%v, %v; want mode 0600", info, err)
		}
		t.Logf("%d records before, %d bytes, %s", len(before), info.Size(), time.Since(began))
		all = append(all, taken{file, before})
	}
	stop.Store(true)
	callersDone.Wait()
	if err := server.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = server.process.Wait()
	if _, err := os.Stat(filepath.Join(data, checkpointName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the backup's copy is still there: %v", err)
	}
	for _, b := range all {
		restored := b.file + ".data"
		if out, err := exec.Command(binary, "restore", b.file, "--data", restored).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		found := recordsOf(t, startDev(t, binary, "--data", restored, "--catalog", catalog))
		for id, quantity := range b.before {
			if got, ok := found[id]; !ok || got != quantity {
				t.Errorf("record %s was acknowledged before the backup with quantity %d; it is there: %t, with %d", id, quantity, ok, got)
			}
		}
		if len(b.before) < 10 {
			t.Errorf("%d records came before: the test shows nothing", len(b.before))
		}
	}
	refusesDamaged(t, binary, all[0].file)
}

func recordsOf(t *testing.T, s *devServer) map[string]int32 {
	t.Helper()
	found := make(map[string]int32)
	for cursor := ""; ; {
		var page admin.Records
		s.admin(t, "/records?product=kill&cursor="+cursor, &page)
		for _, r := range page.Records {
			if _, twice := found[r.ID]; twice {
				t.Errorf("record %s is there twice", r.ID)
			}
			found[r.ID] = r.Quantity
		}
		if cursor = page.Next; cursor == "" {
			return found
		}
	}
}

// refusesDamaged cuts a backup off and changes it: neither is restored, and
// nothing is left.
func refusesDamaged(t *testing.T, binary, file string) {
	t.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)/2] ^= 1
	for name, text := range map[string][]byte{
		"nothing": {}, "half": whole[:len(whole)/2], "all but a byte": whole[:len(whole)-1], "changed": changed,
	} {
		dir := t.TempDir()
		damaged, data := filepath.Join(dir, "damaged"), filepath.Join(dir, "data")
		if err := os.WriteFile(damaged, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(binary, "restore", damaged, "--data", data).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "the backup is damaged") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%s: left behind: %v, %v", name, entries, err)
		}
	}
}

// TestLeftoverCheckpoint: what a backup that was killed left does not keep the
// server from opening its data, nor from the next backup.
func TestLeftoverCheckpoint(t *testing.T) {
	binary, err := exec.LookPath("meterd")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	first := startDev(t, binary, "--data", data)
	first.kill(t)
	left := filepath.Join(data, checkpointName)
	if err := errors.Join(os.MkdirAll(left, 0o700), os.WriteFile(filepath.Join(left, "000001.log"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	second := startDev(t, binary, "--data", data)
	if err := second.command(binary, "backup", data+".tar").Run(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
