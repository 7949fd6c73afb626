package embedded

import "math/bits"

// filter is a set of hashes that forgets which: what was added is in it, and of
// what was not, less than one in a hundred seems to be. It is a split block Bloom
// filter (the one of Apache Parquet's specification): a hash chooses a block of
// 32 bytes and a bit in each of its eight words, so that a question costs one
// line of the processor's cache. It grows by tiers, each four times the one
// before up to a size, since a filter cannot be made larger once hashes are in it.
type filter struct {
	tiers []tier // the last is being filled
	bytes int    // of all blocks
}

type tier struct {
	blocks []block
	room   int // for so many more
}

type block [8]uint32

const (
	blockBytes    = 32
	bitsPerHash   = 16
	firstTierRoom = 8 << 10
	tierGrowth    = 4
	lastTierRoom  = 8 << 20
)

// salts are odd numbers that spread a hash over a block's words. Parquet's own,
// as any eight would do.
var salts = block{
	0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
	0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
}

func (t *tier) block(hash uint64) *block {
	high, _ := bits.Mul64(hash, uint64(len(t.blocks))) // evenly, without a division
	return &t.blocks[high]
}

func (f *filter) add(hash uint64) {
	if n := len(f.tiers); n == 0 || f.tiers[n-1].room == 0 {
		f.grow()
	}
	t := &f.tiers[len(f.tiers)-1]
	t.room--
	b := t.block(hash)
	for i, salt := range salts {
		b[i] |= 1 << (uint32(hash) * salt >> 27)
	}
}

func (f *filter) grow() {
	room := firstTierRoom
	for range f.tiers {
		room = min(room*tierGrowth, lastTierRoom)
	}
	t := tier{make([]block, room*bitsPerHash/(8*blockBytes)), room}
	f.tiers = append(f.tiers, t)
	f.bytes += blockBytes * len(t.blocks)
}

// has reports whether the hash may have been added; if not, it was not.
func (f *filter) has(hash uint64) bool {
	for i := len(f.tiers) - 1; i >= 0; i-- {
		if f.tiers[i].has(hash) {
			return true
		}
	}
	return false
}

func (t *tier) has(hash uint64) bool {
	b := t.block(hash)
	for i, salt := range salts {
		if b[i]&(1<<(uint32(hash)*salt>>27)) == 0 {
			return false
		}
	}
	return true
}
