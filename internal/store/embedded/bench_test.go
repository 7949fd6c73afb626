package embedded_test

import (
	"testing"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/storetest"
)

// BenchmarkAppend is on a real directory.
func BenchmarkAppend(b *testing.B) {
	storetest.BenchmarkAppend(b, func(b *testing.B) store.Store {
		s, err := openDir(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}
