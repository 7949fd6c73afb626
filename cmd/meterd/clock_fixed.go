//go:build !meterd_movable_clock

package main

// clockMoves is whether production's clock can be set and its calls made to fail.
// Usage is billed by that clock, so it is decided where the binary is built: no
// flag, variable or file turns it on by mistake, and here the compiler leaves out
// what would.
const clockMoves = false
