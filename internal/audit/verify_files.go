package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FolderReport is what a folder of files proves, and what speaks against it.
type FolderReport struct {
	First   int64     `json:"first"` // digest
	Last    int64     `json:"last"`
	At      time.Time `json:"at"`       // of the last digest: up to then the folder is whole
	LastSum Sum       `json:"last_sum"` // of the last digest's file, which all before hang on
	Files   int       `json:"files"`
	Events  int64     `json:"events"`
	Expired int64     `json:"expired"` // events that were let go of before they were written
	Only    Filter    `json:"only,omitzero"`
	// Problems are what was found; the rest was checked nevertheless.
	Problems []string `json:"problems"`
}

// VerifyFiles checks a folder by what is in it: that the digests' files hang
// together, that every file is as it was written and none is missing or was put in,
// and that the events' places leave no gap. What it cannot know is whether all was
// written anew, or the end cut off: for that, compare LastSum with one that was
// kept elsewhere, or the digests with the store's.
func VerifyFiles(ctx context.Context, from Destination) (*FolderReport, error) {
	v := folderCheck{ctx: ctx, from: from, report: &FolderReport{Problems: []string{}}, heads: make(map[string]FilePlace)}
	b, err := from.Get(ctx, beginName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: it is no folder of the trail's files, or its beginning was removed", beginName)
	} else if err != nil {
		return nil, err
	}
	if v.begin, err = decodeBegin(b); err != nil {
		return nil, err
	}
	v.report.Only = v.begin.Only
	if err := v.walk(root); err != nil {
		return nil, err
	}
	return v.report, v.manifests()
}

// folderCheck is a check under way.
type folderCheck struct {
	ctx    context.Context // of one call
	from   Destination
	begin  *Begin
	report *FolderReport

	events map[string]bool // files that no manifest has listed yet
	listed []string        // manifests
	last   *Manifest
	heads  map[string]FilePlace // of the chains, as the digests before list them
}

func (v *folderCheck) say(format string, args ...any) {
	v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
}

// walk finds every file.
func (v *folderCheck) walk(folder string) error {
	if v.events == nil {
		v.events = make(map[string]bool)
	}
	names, err := v.from.List(v.ctx, folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, "/"):
			if err := v.walk(name); err != nil {
				return err
			}
		case name == beginName:
		case numberOf(name) > 0:
			v.listed = append(v.listed, name)
		default:
			v.events[name] = true
		}
	}
	return nil
}

// numberOf is the number in a manifest's name; 0 of other files.
func numberOf(name string) int64 {
	if !strings.HasPrefix(name, manifests) {
		return 0
	}
	parts := numbered.FindStringSubmatch(name[strings.LastIndexByte(name, '/')+1:])
	if parts == nil {
		return 0
	}
	n, _ := strconv.ParseInt(parts[1], 10, 64)
	return n
}

// sort sorts the manifests by their numbers.
func (v *folderCheck) sort() {
	slices.SortFunc(v.listed, func(a, b string) int {
		return cmp.Or(cmp.Compare(numberOf(a), numberOf(b)), cmp.Compare(a, b))
	})
}

// manifests goes through the digests' files by their numbers.
func (v *folderCheck) manifests() error {
	v.sort()
	for _, e := range v.begin.Extents {
		v.heads[e.Chain] = e.Head
	}
	prevSum := v.begin.PrevFile
	next := v.begin.Number
	for _, name := range v.listed {
		if n := numberOf(name); n < next {
			v.say("%s: put in: digest %d comes before what the folder begins with, or is there already", name, n)
			continue
		} else if n > next {
			v.say("digests %d to %d: removed: what follows is digest %d", next, n-1, n)
			v.last, prevSum = nil, Sum{}
		}
		m, sum, err := readManifest(v.ctx, v.from, name)
		if v.ctx.Err() != nil {
			return err
		}
		next = numberOf(name) + 1
		if err != nil {
			v.say("%v: changed", err)
			v.last, prevSum = nil, Sum{}
			continue
		}
		v.chained(name, m, prevSum)
		if err := v.manifest(name, m); err != nil {
			return err
		}
		v.last, prevSum = m, sum
		v.report.Last, v.report.At, v.report.LastSum = m.Number, m.At, sum
		if v.report.First == 0 {
			v.report.First = m.Number
		}
	}
	if v.last == nil && len(v.listed) == 0 {
		v.say("digest %d: removed, or not written yet: the folder begins with it", v.begin.Number)
	}
	for _, name := range slices.Sorted(maps.Keys(v.events)) {
		v.say("%s: put in, or its writer was cut short: no digest lists it", name)
	}
	return nil
}

// chained checks that a manifest hangs on the one before.
func (v *folderCheck) chained(name string, m *Manifest, prevSum Sum) {
	switch {
	case m.Number == v.begin.Number:
		if m.Hash != v.begin.Hash || m.PrevFile != v.begin.PrevFile {
			v.say("%s: changed: it is not what the folder begins with", name)
		}
	case v.last == nil: // that something is wrong there was said
	case m.Prev != v.last.Hash:
		v.say("%s: changed: its digest does not follow digest %d", name, v.last.Number)
	case m.PrevFile != prevSum:
		v.say("%s: it does not follow the file of digest %d as that is: one of the two was changed", name, v.last.Number)
	}
	if !m.Only.equal(v.begin.Only) {
		v.say("%s: changed: it is of another choice of events than the folder", name)
	}
}

// manifest checks a manifest's files and that their events leave no gap.
func (v *folderCheck) manifest(name string, m *Manifest) error {
	places := make(map[string][]run)
	enter := func(what string, all []Places) (n int64) {
		for _, p := range all {
			r, err := parseRuns(p.Numbers)
			if err != nil {
				v.say("%s: %s: %v", name, what, err)
				continue
			}
			places[p.Chain] = append(places[p.Chain], r...)
			n += r.count()
		}
		return n
	}
	for _, f := range m.Files {
		lines := enter(f.Name, f.Places)
		if err := v.file(name, m, &f, lines); err != nil {
			return err
		}
		v.report.Events += lines
	}
	v.report.Files += len(m.Files)
	v.report.Expired += enter("expired", m.Expired)
	enter("lost", m.Lost)
	for _, p := range m.Lost {
		v.say("%s: events %s of chain %s were not in the store when they should have been written", name, p.Numbers, p.Chain)
	}
	for _, e := range m.Extents {
		v.chain(name, e, places[e.Chain], v.last != nil || m.Number == v.begin.Number)
		delete(places, e.Chain)
	}
	for chain := range places {
		v.say("%s: it lists events of chain %s, which its digest does not", name, chain)
	}
	return nil
}

// file checks a file against what is listed of it.
func (v *folderCheck) file(manifest string, m *Manifest, f *ListedFile, lines int64) error {
	if !eventsOf(&m.DigestFile, f.Name) {
		v.say("%s: it lists %q, which is no name of a file of its events", manifest, f.Name)
		return nil
	}
	b, err := v.from.Get(v.ctx, f.Name)
	if v.ctx.Err() != nil {
		return err
	}
	delete(v.events, f.Name)
	var n int64
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.say("%s: removed: %d events", f.Name, lines)
	case err != nil:
		v.say("%s: cannot be read: %v", f.Name, err)
	case sha256.Sum256(b) != f.Sum:
		v.say("%s: changed: its SHA-256 is %x, and %s says %s", f.Name, sha256.Sum256(b), manifest, f.Sum)
	default:
		if err := eachLine(b, func([]byte) error { n++; return nil }); err != nil || n != lines {
			v.say("%s: it has %d lines, and %s lists %d (%v)", f.Name, n, manifest, lines, err)
		}
	}
	return nil
}

// chain checks that the places are those from the head before to the head now.
// follows says that the manifest before is known.
func (v *folderCheck) chain(manifest string, e FileExtent, got []run, follows bool) {
	before, known := v.heads[e.Chain]
	v.heads[e.Chain] = e.Head
	switch {
	case known && e.Head.Number < before.Number:
		v.say("%s: chain %s ends at event %d, and went to %d before", manifest, e.Chain, e.Head.Number, before.Number)
		return
	case known && e.Head.Number == before.Number && e.Head.Hash != before.Hash:
		v.say("%s: event %d of chain %s is another one than before", manifest, e.Head.Number, e.Chain)
	}
	if !follows || !v.begin.Only.equal(Filter{}) { // a choice has gaps
		return
	}
	slices.SortFunc(got, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	next := max(before.Number, e.Floor.Number) + 1
	for _, r := range got {
		if r.first != next {
			v.say("%s: event %d of chain %s is listed where event %d comes next", manifest, r.first, e.Chain, next)
		}
		next = r.last + 1
	}
	if next != e.Head.Number+1 {
		v.say("%s: the events of chain %s are listed up to %d, and its digest goes to %d", manifest, e.Chain, next-1, e.Head.Number)
	}
}
