//go:build meterd_movable_clock

package main

// clockMoves, here, is for tests of production: what they check lies hours and
// months apart.
const clockMoves = true
