package store

import "fmt"

// Revise works out what a change makes of the catalogue: a revision for each
// entry that differs from what is there, numbered from the catalogue's on. An
// equal entry changes nothing, and so does the removal of what is not there. The
// entries are copies that nobody else can change. The change has been checked.
func (c *Change) Revise(known *Catalog) ([]CarriedRevision, error) {
	base := known.Revision()
	if c.Base != nil && *c.Base != base {
		return nil, fmt.Errorf("%w: it is at revision %d, not %d", ErrConflict, base, *c.Base)
	}
	d := draft{known: known, made: make(map[Ref]string, len(c.Entries))}
	for _, e := range c.Entries {
		if err := d.put(e); err != nil {
			ref := e.Ref()
			return nil, fmt.Errorf("store: %s %s: %w", ref.Kind, ref.Name, err)
		}
	}
	for _, ref := range c.Remove {
		was, err := d.plain(ref)
		if err != nil {
			return nil, err
		}
		if was != "" {
			d.add(ref, "", nil)
		}
	}
	for i := range d.revisions {
		r := &d.revisions[i]
		r.Number, r.By, r.At = base+int64(i)+1, c.By, Instant(c.At)
	}
	return d.revisions, nil
}

// draft is a change in the making. What is compared is plain: secrets are sealed
// with fresh randomness.
type draft struct {
	known     *Catalog
	made      map[Ref]string // what the change has made of entries, encoded; "": removed
	revisions []CarriedRevision
}

func (d *draft) add(ref Ref, now string, e Entry) {
	d.made[ref] = now
	d.revisions = append(d.revisions, CarriedRevision{Ref: ref, Revision: Revision{Entry: e}})
}

func (d *draft) put(given Entry) error {
	ref := given.Ref()
	b, err := EncodeEntry(given, nil)
	if err != nil {
		return err
	}
	was, err := d.plain(ref)
	if err != nil || was == string(b) {
		return err
	}
	e, _, err := DecodeEntry(ref.Kind, b, nil)
	if err != nil {
		return err
	}
	d.add(ref, string(b), e)
	return nil
}

// plain is an entry as the change has to see it; "": there is none.
func (d *draft) plain(ref Ref) (string, error) {
	if was, ok := d.made[ref]; ok {
		return was, nil
	}
	e := d.known.Get(ref)
	if e == nil {
		return "", nil
	}
	b, err := EncodeEntry(e, nil)
	return string(b), err
}

// Changed is what a catalogue is to be set to after revisions: the last of each
// entry counts.
func Changed(revisions []CarriedRevision) (entries []Entry, removed []Ref) {
	last := make(map[Ref]int, len(revisions))
	for i := range revisions {
		last[revisions[i].Ref] = i
	}
	for i, r := range revisions {
		switch {
		case last[r.Ref] != i:
		case r.Entry == nil:
			removed = append(removed, r.Ref)
		default:
			entries = append(entries, r.Entry)
		}
	}
	return entries, removed
}
