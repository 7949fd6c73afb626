package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// round is what one round of a contender came to.
type round struct {
	requests, records float64 // a second
	p50, p99          float64 // milliseconds
	cpu, database     float64 // microseconds a record
	allocations       float64 // a record
	peak              float64 // bytes resident, at the most
	stored            float64 // bytes a record; 0: nothing is stored
	requestBytes      float64
	answerBytes       float64
}

// round starts a contender, has the generator send to it, and stops it.
func (h *harness) round(ctx context.Context, c contender, n int) (measured round, err error) {
	r, err := c.start(ctx, h)
	if err != nil {
		return round{}, fmt.Errorf("%s: %w", c.name, err)
	}
	defer r.stop()
	measured, err = h.measure(ctx, c, r, n)
	if err != nil {
		for _, s := range r.servers { // that a server has ended explains all else
			err = errors.Join(s.gone(), err)
		}
		return measured, fmt.Errorf("%s: %w", c.name, err)
	}
	return measured, nil
}

// pool is how many requests are sent again and again to a server that keeps
// nothing: more bytes than the processor's caches have.
const pool = 8192

// order is what the generator is to do in a round.
func (h *harness) order(c contender, r *running, n int) order {
	o := order{
		World: c.world, Kind: c.kind, Conns: h.conns, Requests: pool, Cycle: true,
		Warm: h.warm, For: h.span, Seed: uint64(n) + 1,
	}
	if c.slow {
		o.For = max(o.For, time.Second)
	}
	if c.rate > 0 {
		o.Cycle, o.Requests = false, int(float64(c.rate)*(o.Warm+o.For).Seconds())
	}
	for _, s := range r.servers {
		o.Addresses = append(o.Addresses, s.address)
	}
	return o
}

func (h *harness) measure(ctx context.Context, c contender, r *running, n int) (round, error) {
	o := h.order(c, r, n)
	var before, after spent
	var found *result
	err := h.generator(ctx, o, func(said report) (err error) {
		switch said.Event {
		case "begin":
			before, err = r.spent(ctx)
			h.profile(ctx, c, r, n)
		case "end":
			after, err = r.spent(ctx)
		case "measured":
			found = said.Result
		}
		return err
	})
	h.profiling.Wait()
	if err != nil {
		return round{}, err
	}
	if found == nil {
		return round{}, errors.New("the generator has measured nothing")
	}
	if err := c.check(found); err != nil {
		return round{}, err
	}
	each := perRequest
	if c.kind == kindMeter {
		each = 1
	}
	records := float64(found.Requests * each)
	m := round{
		requests: float64(found.Requests) / found.Seconds, records: records / found.Seconds, p50: found.P50, p99: found.P99,
		cpu:         float64((after.cpu - before.cpu).Microseconds()) / records,
		database:    float64((after.database - before.database).Microseconds()) / records,
		allocations: (after.allocations - before.allocations) / records, requestBytes: float64(found.RequestBytes),
		answerBytes: float64(found.AnswerBytes) / float64(max(found.Answers, 1)),
	}
	for _, s := range r.servers {
		peak, err := memory(s.pid(), "VmHWM")
		if err != nil {
			return round{}, err
		}
		m.peak += float64(peak)
	}
	if r.stored != nil && c.kind != kindMeter {
		if m.stored, err = r.stored(ctx); err != nil {
			return round{}, err
		}
	}
	return m, nil
}

// check holds the sampled outcomes against what was sent.
func (c contender) check(r *result) error {
	if c.name == nameHello || c.name == nameHelloMeter || c.name == nameMoto {
		return nil // they do not know
	}
	if r.Success+r.Duplicate != r.Sampled {
		return fmt.Errorf("of %d records in the sample, %d were Success, %d DuplicateRecord and %d CustomerNotSubscribed",
			r.Sampled, r.Success, r.Duplicate, r.Unsubscribed)
	}
	const enough = 5000 // for the share to mean something
	share := float64(r.Duplicate) / float64(r.Sampled)
	if c.keeps && c.kind == kindBatch && r.Sampled > enough && (share < .01 || share > .05) {
		return fmt.Errorf("%.1f %% of the sample are duplicates; of what was sent, it is about %.1f %%", share*100, repeatShare/2.)
	}
	return nil
}

// generator runs the generator's process and hands on what it reports.
func (h *harness) generator(ctx context.Context, o order, hear func(report) error) (err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*patience+o.Warm+o.For)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.self, roleGenerator, string(text)) //nolint:gosec // it is this program
	held, err := cmd.StdinPipe()                                         // it ends when this is closed
	if err != nil {
		return err
	}
	defer held.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var wrong strings.Builder
	cmd.Stderr = &wrong
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); err == nil && lines.Scan(); {
		var r report
		if err = json.Unmarshal(lines.Bytes(), &r); err == nil {
			err = hear(r)
		}
	}
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if ended := cmd.Wait(); ended != nil && err == nil {
		err = fmt.Errorf("the generator: %w: %s", ended, wrong.String())
	}
	return errors.Join(ctx.Err(), err)
}

// profile writes the processor's profile of a server of the contender's, over the
// first round, if it was asked for. It ends with the round.
func (h *harness) profile(ctx context.Context, c contender, r *running, n int) {
	if h.profiles == "" || n > 0 {
		return
	}
	for i, s := range r.servers {
		if s.metrics == "" {
			continue
		}
		name := fmt.Sprintf("%s-%d.pprof", strings.NewReplacer(" ", "-", ",", "").Replace(c.name), i+1)
		seconds := max(1, int(h.span.Seconds()))
		h.profiling.Go(func() {
			b, err := get(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", strings.TrimSuffix(s.metrics, "/metrics"), seconds))
			if err == nil {
				err = os.WriteFile(filepath.Join(h.profiles, name), b, 0o600)
			}
			if err != nil {
				h.step("no profile of %s: %v", c.name, err)
			}
		})
	}
}

// perRow asks a database how many bytes a record takes, with its indexes and all
// else that the call has left.
func perRow(url, table string, beside ...string) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return 0, err
		}
		defer conn.Close(ctx)
		var rows, bytes int64
		err = conn.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&rows)
		for _, name := range append(beside, table) {
			var n int64
			err = errors.Join(err, conn.QueryRow(ctx, "SELECT pg_total_relation_size($1::regclass)", name).Scan(&n))
			bytes += n
		}
		return float64(bytes) / float64(max(rows, 1)), err
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
