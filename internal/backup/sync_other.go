//go:build !unix

package backup

// syncDirectory does nothing: a directory cannot be forced to the disk here.
func syncDirectory(string) error { return nil }
