package s3test

import (
	"fmt"
	"testing"
)

// TestLeftOut says what make test shows at its end.
func TestLeftOut(t *testing.T) {
	if why := LeftOut(); why != "" {
		fmt.Println("left out: " + why)
	}
}
