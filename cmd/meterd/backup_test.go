package main

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/promise"
)

// TestBackupUnderLoad backs a server up in the midst of calls, several times. Then
// the directory is destroyed. Each backup is restored elsewhere and served from,
// and every record that was acknowledged before it began is there, as promised.
func TestBackupUnderLoad(t *testing.T) {
	binary, err := exec.LookPath("meterd") // this program, by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	tally := promise.NewTally(t)
	for seed := range tally.Runs(1) {
		backedUp(t, binary, seed, tally)
	}
}

func backedUp(t *testing.T, binary string, seed uint64, tally *promise.Tally) {
	const backups, callers = 3, 4
	dir := t.TempDir()
	catalog, data := filepath.Join(dir, "catalog.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(catalog, []byte(killCatalog()), 0o600); err != nil {
		t.Fatal(err)
	}
	server := startDev(t, binary, "--data", data, "--catalog", catalog, "--throttle", "off", "--clock", "2026-09-15T23:30:00Z")
	var (
		history     promise.History
		numbers     atomic.Int64
		stop        atomic.Bool
		callersDone sync.WaitGroup
	)
	for i := range callers {
		own := rand.New(rand.NewPCG(seed, uint64(i)))
		callersDone.Go(func() {
			for !stop.Load() {
				if !server.send(&history, []killClaim{newKillClaim(numbers.Add(1), own)}) {
					return
				}
			}
		})
	}
	type taken struct {
		file          string
		before, after promise.Moment
	}
	var all []taken
	for i := range backups {
		time.Sleep(300 * time.Millisecond)
		b := taken{file: filepath.Join(dir, "backup"+string(rune('0'+i))), before: history.Now()}
		began := time.Now()
		if err := server.command(binary, "backup", b.file).Run(); err != nil {
			t.Fatal(err)
		}
		b.after = history.Now()
		info, err := os.Stat(b.file)
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("%v, %v; want mode 0600", info, err)
		}
		t.Logf("%d bytes, %s", info.Size(), time.Since(began))
		all = append(all, b)
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
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		restored := b.file + ".data"
		if out, err := exec.Command(binary, "restore", b.file, "--data", restored).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		again := startDev(t, binary, "--data", restored, "--catalog", catalog)
		then := history.Between(b.before, b.after)
		found, err := then.Check(t.Context(), &adminLedger{again.operator(), "kill"})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range append(found, provenBy(t, again.operator())...) {
			t.Errorf("seed %d, %s: %v", seed, b.file, v)
		}
		counts := then.Counts()
		if counts.Accepted < 10 {
			t.Errorf("%+v before: the test shows nothing", counts)
		}
		tally.Add("restores", 1)
		tally.Add("accepted", counts.Accepted)
	}
	refusesDamaged(t, binary, all[0].file)
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
