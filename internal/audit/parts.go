package audit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/meterd/meterd/internal/store"
)

const (
	// partText is how much text a part holds, in all its files. It bounds what a
	// writer needs of memory.
	partText = 32 << 20
	// atOnce is how many files are put at once: most of the time is waiting.
	atOnce = 8
)

// parts are the files that are made for a manifest. A part has one of each account
// and region that have events in it. Where it ends follows from the events alone.
type parts struct {
	ctx      context.Context // of one call
	to       Destination
	manifest *Manifest

	number int
	files  map[fileKey]*part
	text   int
}

// fileKey is what has files of its own.
type fileKey struct{ account, region string }

// part is a file that is being made.
type part struct {
	text   []byte
	chains []string
	places []runs // of each of the chains
}

// ofPath is what an account or region may be as a folder. A region is what its
// caller has signed.
var ofPath = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func folderOf(s string) string {
	if ofPath.MatchString(s) {
		return s
	}
	return "other"
}

func (p *parts) add(ev *store.Event) error {
	if p.files == nil {
		p.files = make(map[fileKey]*part)
	}
	key := fileKey{folderOf(string(ev.Account)), folderOf(ev.Region)}
	f := p.files[key]
	if f == nil {
		f = new(part)
		p.files[key] = f
	}
	was := len(f.text)
	f.text = append(AppendCloudTrail(f.text, ev), '\n')
	p.text += len(f.text) - was
	chain := ev.Chain.String()
	if n := len(f.chains); n == 0 || f.chains[n-1] != chain {
		f.chains, f.places = append(f.chains, chain), append(f.places, nil)
	}
	f.places[len(f.places)-1].add(ev.Number, ev.Number)
	if p.text >= partText {
		return p.flush()
	}
	return nil
}

// flush puts the files of a part.
func (p *parts) flush() error {
	if len(p.files) == 0 {
		return nil
	}
	p.number++
	listed := make([]ListedFile, 0, len(p.files))
	for key, f := range p.files {
		l := ListedFile{Name: eventsName(&p.manifest.DigestFile, key, p.number)}
		for i, chain := range f.chains {
			l.Places = append(l.Places, Places{chain, f.places[i].String()})
		}
		listed = append(listed, l)
	}
	slices.SortFunc(listed, func(a, b ListedFile) int { return strings.Compare(a.Name, b.Name) })
	texts := make(map[string][]byte, len(listed))
	for key, f := range p.files {
		texts[eventsName(&p.manifest.DigestFile, key, p.number)] = f.text
	}
	g, ctx := errgroup.WithContext(p.ctx)
	g.SetLimit(atOnce)
	for i := range listed {
		g.Go(func() (err error) {
			listed[i].Sum, err = putEvents(ctx, p.to, listed[i].Name, texts[listed[i].Name])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	p.manifest.Files = append(p.manifest.Files, listed...)
	p.files, p.text = nil, 0
	return nil
}

// putEvents puts a file of events and returns the sum of what is there. That may
// have been put before, by a meterd that renders or packs in another way: then the
// events have to be the same.
func putEvents(ctx context.Context, to Destination, name string, text []byte) (Sum, error) {
	b := pack(text)
	err := to.Put(ctx, name, b)
	if !errors.Is(err, fs.ErrExist) {
		return sha256.Sum256(b), err
	}
	there, err := to.Get(ctx, name)
	if err != nil || bytes.Equal(there, b) {
		return sha256.Sum256(b), err
	}
	was, err := idsOf(there)
	if err != nil {
		return Sum{}, fmt.Errorf("%s is there, and is no file of events: %w; move it away", name, err)
	}
	now, err := idsOf(b)
	if err == nil && !slices.Equal(was, now) {
		err = fmt.Errorf("%s is there, and has %d events that are not the store's %d: move it away", name, len(was), len(now))
	}
	return sha256.Sum256(there), err
}

// maxLine is the most that a line may have. An event's is some tens of kilobytes at
// the most.
const maxLine = 4 << 20

// idsOf reads the events' ids.
func idsOf(packed []byte) ([]string, error) {
	var ids []string
	err := eachLine(packed, func(line []byte) error {
		var ev struct {
			EventID string `json:"eventID"`
		}
		err := json.Unmarshal(line, &ev)
		ids = append(ids, ev.EventID)
		return err
	})
	return ids, err
}

// eachLine reads a file's lines.
func eachLine(packed []byte, visit func(line []byte) error) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(io.LimitReader(z, maxUnpacked))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if err := visit(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}
