package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/metering"
)

func newRegionsPrint() *cobra.Command {
	cmd := &cobra.Command{
		Use: "print", Short: "Print what is served where as a file to start from", Args: exactly(),
		Long: `Print what is served where as a file that 'meterd serve --regions' and
'meterd dev --regions' read, with the source of each table. It takes the same flags
as 'meterd regions', so that a file that is begun from AWS's tables can be printed
whole.`,
		Example: "  meterd regions print > regions.yaml\n  meterd regions print --regions mine.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := regionsInEffect(cmd)
			if err != nil {
				return err
			}
			return printRegions(cmd.OutOrStdout(), r)
		},
	}
	regionFlags(cmd)
	return cmd
}

// printRegions writes a file that says the same. Texts of it that are not names
// are in quotes, as JSON writes them.
func printRegions(out io.Writer, r *metering.Regions) error {
	w := &regionsWriter{out: out}
	w.line("# What is served where. Every node that serves from one database reads the same.")
	w.line("# base: none is what stands here alone; aws is AWS's tables, and beside them what stands here.")
	w.line("base: %s", baseNone)
	w.line("\n# Regions that have host names in common; {region} stands for the region.")
	w.line("partitions:")
	for _, p := range r.Partitions {
		w.line("  - name: %s", p.Name)
		w.rest("    ", p.Regions, p.Source)
		if p.Hosts != nil {
			w.line("    hosts:")
		}
		for _, h := range p.Hosts {
			w.line("      - {service: %s, variant: %s, name: %q}", h.Service, h.Variant, h.Name)
		}
	}
	w.line("\n# Where each operation is served, to callers of which platforms; without platforms, to all.")
	w.line("operations:")
	for _, t := range r.Tables {
		w.line("  - operation: %s", t.Operation)
		if t.Platforms != nil {
			w.line("    platforms: [%s]", words(t.Platforms))
		}
		w.rest("    ", t.Regions, t.Source)
	}
	w.areas("usage_only", "Where MeterUsage takes AMI products with usage pricing and nothing else.", r.UsageOnly)
	w.areas("preview", "Where a seller can try a product before it is published.", r.Preview)
	return w.err
}

// regionsWriter writes until the first error.
type regionsWriter struct {
	out io.Writer
	err error
}

func (w *regionsWriter) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// rest is what all entries have; lead begins the first line.
func (w *regionsWriter) rest(lead string, regions []string, source string) {
	const perLine = 8
	var lines []string
	for some := range slices.Chunk(regions, perLine) {
		lines = append(lines, strings.Join(some, ", "))
	}
	w.line("%sregions: [%s]", lead, strings.Join(lines, ",\n      "))
	if source != "" {
		w.line("    source: %s", quoted(source))
	}
}

func (w *regionsWriter) areas(name, about string, areas []metering.Area) {
	if areas == nil {
		return
	}
	w.line("\n# %s\n%s:", about, name)
	for _, a := range areas {
		w.rest("  - ", a.Regions, a.Source)
	}
}

// quoted is a text as YAML and JSON have it in quotes.
func quoted(text string) string {
	var b bytes.Buffer
	_ = yamlScalar(&b, text) // a text has a form
	return b.String()
}

func words(platforms []metering.Platform) string {
	all := make([]string, len(platforms))
	for i, p := range platforms {
		all[i] = string(p)
	}
	return strings.Join(all, ", ")
}
