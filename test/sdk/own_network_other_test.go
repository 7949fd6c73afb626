//go:build !linux

package sdk

import (
	"errors"
	"testing"
)

// ownNetwork has no counterpart here: namespaces are Linux's.
const ownNetwork, exitNoNetwork = "METERD_SDK_OWN_NETWORK", 77

func runInOwnNetwork(*testing.T, string) (output, missing string) {
	return "", "this system has no namespaces"
}

func enterOwnNetwork(string) error { return errors.ErrUnsupported }
