package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Prune removes the digests before a time with their files, save the last one.
// What no digest lists yet stays. Where the folder begins is written down first:
// so what is gone is told from what was taken.
func (d *Directory) Prune(ctx context.Context, before time.Time) error {
	b, err := d.Get(ctx, beginName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	begin, err := decodeBegin(b)
	if err != nil {
		return err
	}
	v := folderCheck{ctx: ctx, from: d}
	if err := v.walk(manifests); err != nil {
		return err
	}
	v.sort()
	var old []*Manifest
	for i, name := range v.listed {
		m, sum, err := readManifest(ctx, d, name)
		if err != nil {
			return err // a folder that was tampered with is left to be looked at
		}
		if m.Number >= begin.Number && (i == len(v.listed)-1 || !m.At.Before(before)) {
			break
		}
		if m.Number >= begin.Number {
			next, _, err := readManifest(ctx, d, v.listed[i+1])
			if err != nil {
				return err
			}
			*begin = Begin{manifestFormat, next.Number, next.Hash, sum, m.Extents, m.Only}
		}
		old = append(old, m)
	}
	if len(old) == 0 {
		return nil
	}
	if b, err = begin.encode(); err != nil {
		return err
	}
	if err := d.replace(beginName, b); err != nil {
		return err
	}
	for _, m := range old {
		for _, f := range m.Files {
			if !eventsOf(&m.DigestFile, f.Name) {
				return fmt.Errorf("digest %d lists %q, which is no name of a file of its events", m.Number, f.Name)
			}
			if err := d.remove(f.Name); err != nil {
				return err
			}
		}
		if err := d.remove(manifestName(m.Number, m.At)); err != nil {
			return err
		}
	}
	return d.tidy(before)
}

// tidy removes what a writer that was cut short has left.
func (d *Directory) tidy(before time.Time) error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), unfinished) && info.ModTime().Before(before) {
			err = d.root.Remove(e.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
