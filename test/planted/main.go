// Command planted shows that the tests catch what they are there for. It plants
// one bug after the other in the sources, runs the tests that should catch it, and
// says which did. It fails if one is not caught.
//
// A bug is a file in bugs/: what is wrong, which tests are to catch it, and what
// in the sources is replaced by what. It is planted with the go command's overlay:
// the sources are not touched, and no build but the one that is tried contains
// anything of it. A bug whose place in the sources has changed does not apply any
// more, and this package's tests say so.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"
)

// later are the bugs that are known and not planted, with what they wait for.
var later []struct{ name, waits string }

func main() {
	only := flag.String("run", "", "plant only the bugs whose names this expression matches")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := plantAll(ctx, os.Stdout, *only); err != nil {
		fmt.Fprintln(os.Stderr, "planted:", err)
		os.Exit(1)
	}
}

func plantAll(ctx context.Context, out io.Writer, only string) error {
	pick, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	bugs, err := readBugs(os.DirFS("test/planted/bugs"))
	if err != nil {
		return fmt.Errorf("%w (it runs in the root of the repository)", err)
	}
	planted, missed := 0, []string(nil)
	for _, b := range bugs {
		if !pick.MatchString(b.name) {
			continue
		}
		planted++
		began := time.Now()
		by, err := b.try(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if by == "" {
			missed = append(missed, b.name)
			fmt.Fprintf(out, "NOT CAUGHT  %-32s %5.1f s\n", b.name, time.Since(began).Seconds())
			continue
		}
		fmt.Fprintf(out, "caught      %-32s %5.1f s  %s\n", b.name, time.Since(began).Seconds(), by)
	}
	fmt.Fprintf(out, "%d of %d planted bugs caught\n", planted-len(missed), planted)
	for _, l := range later {
		fmt.Fprintf(out, "not planted yet: %s (waits for %s)\n", l.name, l.waits)
	}
	if len(missed) > 0 {
		return fmt.Errorf("not caught: %s", strings.Join(missed, ", "))
	}
	return nil
}
