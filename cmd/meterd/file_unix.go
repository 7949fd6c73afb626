//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// keepOwner gives a file the owner and the group that info has.
func keepOwner(f *os.File, info os.FileInfo) error {
	was, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return fmt.Errorf("%w; do this as the file's owner", err)
	}
	return nil
}
