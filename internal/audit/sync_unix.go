//go:build unix

package audit

import "errors"

// sync forces the names in a folder to the disk.
func (d *Directory) sync(folder string) error {
	f, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
