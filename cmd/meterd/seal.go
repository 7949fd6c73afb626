package main

import (
	"context"
	"encoding/hex"
	"sync/atomic"
	"time"
)

// sealing is how the making of digests of the trail goes.
type sealing struct {
	failures atomic.Int64
	last     atomic.Int64 // when all was last known to be in a digest, in Unix time
}

// sealTimeout is for a digest: it lists the chains, however long they are.
const sealTimeout = 30 * time.Second

// seal makes a digest of the trail. One is made before the first call, so that the
// chains of this process begin after it; every hour; and when the last call was
// answered. That it fails stops nothing: the next one lists what this would have.
func (s *server) seal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealTimeout)
	defer cancel()
	now := time.Now()
	d, made, err := s.store.Seal(ctx, now)
	switch {
	case err != nil:
		s.sealing.failures.Add(1)
		s.log.Error("no digest of the trail made", "error", err)
		return
	case made:
		hash := d.Hash()
		s.log.Info("digest of the trail made", "number", d.Number, "hash", hex.EncodeToString(hash[:]), "chains", len(d.Extents))
	}
	s.sealing.last.Store(now.Unix())
}
