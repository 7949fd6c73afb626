package main

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// unknown is a total that nobody knows beforehand: then a spinner turns in place
// of a bar that grows.
const unknown = -1

const (
	progressDelay = time.Second // work that is done sooner shows nothing
	progressEvery = 100 * time.Millisecond
)

// progress shows on a terminal how far a work is, in plain text, without colours,
// and leaves no trace. A nil one shows nothing.
type progress struct {
	out          io.Writer
	what         string
	total        int64
	bytes        bool // counted is bytes
	delay, every time.Duration

	counted atomic.Int64
	stop    chan struct{}
	stopped sync.WaitGroup
}

// newProgress shows progress on out, if that is a terminal. It must be ended with
// done.
func newProgress(out io.Writer, what string, total int64) *progress {
	return startProgress(out, &progress{what: what, total: total})
}

// newByteProgress is newProgress for bytes, which are counted by writing them to
// it.
func newByteProgress(out io.Writer, what string, total int64) *progress {
	return startProgress(out, &progress{what: what, total: total, bytes: true})
}

func startProgress(out io.Writer, p *progress) *progress {
	if !isTerminal(out) {
		return nil
	}
	if p.total == 0 {
		p.total = unknown // there is nothing that a bar could show
	}
	p.out, p.delay, p.every = out, progressDelay, progressEvery
	p.start()
	return p
}

func (p *progress) start() {
	p.stop = make(chan struct{})
	p.stopped.Go(p.show)
}

// show draws until the work is done. It alone writes, so that counting costs the
// work nothing, and a work that hangs still has a spinner that turns.
func (p *progress) show() {
	select {
	case <-p.stop:
		return
	case <-time.After(p.delay):
	}
	bar := progressbar.NewOptions64(p.total,
		progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(p.what),
		progressbar.OptionShowBytes(p.bytes), progressbar.OptionShowCount(), progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(9),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
		progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(p.total > 0))
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		// What cannot be drawn must not stop the work.
		_ = bar.Set64(p.shown())
		select {
		case <-p.stop:
			_ = bar.Finish()
			_ = bar.Clear()
			return
		case <-tick.C:
		}
	}
}

// shown is what was counted; short of a known total, for reaching it ends the bar,
// and only the work knows its end.
func (p *progress) shown() int64 {
	n := p.counted.Load()
	if p.total > 0 {
		n = min(n, p.total-1)
	}
	return n
}

func (p *progress) add(n int) {
	if p != nil {
		p.counted.Add(int64(n))
	}
}

// Write counts bytes, for io.TeeReader and io.MultiWriter.
func (p *progress) Write(b []byte) (int, error) {
	p.add(len(b))
	return len(b), nil
}

// done clears the line. It may be called once.
func (p *progress) done() {
	if p != nil {
		close(p.stop)
		p.stopped.Wait()
	}
}
