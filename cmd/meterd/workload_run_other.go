//go:build !unix

package main

import "os"

var passedOn = []os.Signal{os.Interrupt}

// ofTerminal: an interrupt reaches both.
func ofTerminal(os.Signal) bool { return true }

func endCode(state *os.ProcessState) int { return state.ExitCode() }
