//go:build unix

package backup

import (
	"errors"
	"os"
)

// syncDirectory forces the names in a directory to the disk.
func syncDirectory(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
