package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table is all that was measured.
type table struct {
	options
	rows      []contender
	leftOut   []string
	rounds    map[string][]round
	readiness []readiness
	began     time.Time
	busy      string // how busy the machine was then
}

// spread is the median of some rounds, and their least and most.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) (s spread) {
	if len(values) == 0 {
		return s
	}
	v := slices.Sorted(slices.Values(values))
	middle := len(v) / 2
	s = spread{v[middle], v[0], v[len(v)-1]}
	if len(v)%2 == 0 {
		s.median = (v[middle-1] + v[middle]) / 2
	}
	return s
}

// of is the spread of a figure over a row's rounds.
func (t *table) of(name string, figure func(*round) float64) spread {
	var values []float64
	for i := range t.rounds[name] {
		values = append(values, figure(&t.rounds[name][i]))
	}
	return spreadOf(values)
}

// over is the spread of a figure of one row divided by that of another, round by
// round.
func (t *table) over(a, b string, figure func(*round) float64) (s spread, ok bool) {
	var values []float64
	for i := range min(len(t.rounds[a]), len(t.rounds[b])) {
		values = append(values, figure(&t.rounds[a][i])/figure(&t.rounds[b][i]))
	}
	return spreadOf(values), len(values) > 0
}

func recordRate(r *round) float64  { return r.records }
func requestRate(r *round) float64 { return r.requests }

func (t *table) print(out io.Writer) {
	fmt.Fprintf(out, "**Machine.** %s. **Run.** %s, %s, %d rounds of %s after %s of warm-up, %d connections.\n\n",
		machine(), t.began.UTC().Format("2006-01-02 15:04 UTC"), t.busy, t.options.rounds, t.span, t.warm, t.conns)
	fmt.Fprint(out, "| server | requests/s | records/s | p50 ms | p99 ms | CPU µs/record | allocations/record | peak MB | stored bytes/record | bytes sent, answered |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range t.rows {
		peak := t.of(c.name, func(r *round) float64 { return r.peak })
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %.0f | %s | %.0f, %.0f |\n", c.name,
			ranged(t.of(c.name, requestRate), "%.0f"), thousands(t.of(c.name, recordRate)),
			ranged(t.of(c.name, func(r *round) float64 { return r.p50 }), "%.1f"),
			ranged(t.of(c.name, func(r *round) float64 { return r.p99 }), "%.1f"),
			t.processor(c.name), known(t.of(c.name, func(r *round) float64 { return r.allocations }).median, "%.1f"),
			peak.most/1e6, known(t.of(c.name, func(r *round) float64 { return r.stored }).median, "%.0f"),
			t.of(c.name, func(r *round) float64 { return r.requestBytes }).median, t.of(c.name, func(r *round) float64 { return r.answerBytes }).median)
	}
	for _, what := range t.leftOut {
		fmt.Fprintf(out, "\nleft out: %s\n", what)
	}
	fmt.Fprint(out, "\n| ratio | | target | |\n|---|---|---|---|\n")
	for _, r := range t.ratios() {
		verdict := r.verdict()
		if t.quick {
			verdict = "not judged" // too short to say
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", r.what, r.value, r.target, verdict)
	}
}

// processor is a server's time, and its database's.
func (t *table) processor(name string) string {
	text := fmt.Sprintf("%.2f", t.of(name, func(r *round) float64 { return r.cpu }).median)
	if d := t.of(name, func(r *round) float64 { return r.database }).median; d > 0 {
		text += fmt.Sprintf(" + %.2f of PostgreSQL", d)
	}
	return text
}

func ranged(s spread, format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.median, s.least, s.most)
}

func thousands(s spread) string {
	return ranged(spread{s.median / 1e3, s.least / 1e3, s.most / 1e3}, "%.1f") + " k"
}

// known is a figure, or nothing where there is none.
func known(v float64, format string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

// millions is how a number of records is written.
func millions(n int) string { return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) }

// ratio is a line of the second table: what was reached beside what is to be.
type ratio struct {
	what, value, target string
	reached, aimed      bool
	aim                 bool // there is one beyond the target
}

func (r ratio) verdict() string {
	switch {
	case !r.reached:
		return "missed"
	case r.aim && r.aimed:
		return "reached, the aim too"
	case r.aim:
		return "reached, the aim missed"
	}
	return "reached"
}

// ratios are what the targets are about, as far as it was measured.
func (t *table) ratios() (all []ratio) {
	w := newWorld(1, t.agreements)
	least, most := t.options.records[0], t.options.records[len(t.options.records)-1]
	reference := nameEmbedded(w, t.reference())
	share := func(a, b string, figure func(*round) float64, target, aim float64, format string, scale float64) {
		s, ok := t.over(a, b, figure)
		if !ok || a == b {
			return
		}
		s = spread{s.median * scale, s.least * scale, s.most * scale}
		r := ratio{what: a + " ÷ " + b, value: ranged(s, format), target: "at least " + fmt.Sprintf(format, target), reached: s.median >= target}
		if aim > 0 {
			r.aim, r.aimed = true, s.median >= aim
			r.target += ", aim " + fmt.Sprintf(format, aim)
		}
		all = append(all, r)
	}
	share(reference, nameNone, recordRate, 25, 45, "%.1f %%", 100)
	share(reference, nameHello, recordRate, 13, 24, "%.1f %%", 100)
	share(nameEmbedded(w, least), nameUntraced(least), recordRate, .9, 0, "%.2f", 1)
	share(nameEmbedded(w, most), nameEmbedded(w, least), recordRate, .9, 0, "%.2f", 1)
	if t.accounts > 1 {
		many := newWorld(t.accounts, t.agreements)
		share(nameEmbedded(many, most), nameEmbedded(many, least), recordRate, .9, 0, "%.2f", 1)
	}
	share(nameNode, nameNaive, recordRate, 6, 0, "%.1f", 1)
	share(nameNodes, nameNode, recordRate, .9, 0, "%.2f", 1)
	share(reference, nameMoto, recordRate, 15, 0, "%.0f", 1)
	share(nameMeter(t.reference()), nameHelloMeter, requestRate, 35, 0, "%.1f %%", 100)
	return append(all, t.bounds(reference, nameEmbedded(w, most))...)
}

// bounds are the figures that are to stay below something.
func (t *table) bounds(reference, largest string) (all []ratio) {
	below := func(what string, s spread, target, aim float64, format string) {
		r := ratio{what: what, value: ranged(s, format), target: "at most " + fmt.Sprintf(format, target), reached: s.median <= target}
		if aim > 0 {
			r.aim, r.aimed = true, s.median <= aim
			r.target += ", aim " + fmt.Sprintf(format, aim)
		}
		all = append(all, r)
	}
	if t.rounds[reference] != nil {
		below(reference+": p99", t.of(reference, func(r *round) float64 { return r.p99 }), 30, 15, "%.1f ms")
	}
	if t.rounds[largest] != nil {
		below(largest+": peak memory", t.of(largest, func(r *round) float64 { return r.peak / 1e6 }), 600, 0, "%.0f MB")
	}
	if t.readiness == nil {
		return all
	}
	figure := func(of func(readiness) float64) spread {
		var values []float64
		for _, r := range t.readiness {
			values = append(values, of(r))
		}
		return spreadOf(values)
	}
	n := millions(t.reference()) + " M"
	below("memory idle, "+n, figure(func(r readiness) float64 { return r.idle / 1e6 }), 40, 0, "%.0f MB")
	below("ready, "+n, figure(func(r readiness) float64 { return r.clean.Seconds() }), 1, 0, "%.2f s")
	below("ready after a kill under load, "+n, figure(func(r readiness) float64 { return r.killed.Seconds() }), 3, 0, "%.2f s")
	return all
}

// machine is what it was measured on.
func machine() string {
	model := "an unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	var gib float64
	text, _ = os.ReadFile("/proc/meminfo")
	if fields := strings.Fields(string(text)); len(fields) > 1 {
		kb, _ := strconv.ParseFloat(fields[1], 64)
		gib = kb / (1 << 20)
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, %.0f GiB, Linux %s, %s", runtime.NumCPU(), model, gib, strings.TrimSpace(string(kernel)), runtime.Version())
}

// load is how busy the machine has been.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	return "load " + cmp.Or(strings.Join(fields[:min(3, len(fields))], " "), "unknown")
}
