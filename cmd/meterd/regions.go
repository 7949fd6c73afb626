package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/metering"
)

// servedRegion is a region, and what is served there.
type servedRegion struct {
	Region     string                          `json:"region"`
	Partition  string                          `json:"partition"`
	Operations map[metering.Operation][]string `json:"operations"` // with the platforms of callers, or any
	UsageOnly  bool                            `json:"usage_only"`
	Preview    bool                            `json:"preview"`
	Hosts      []string                        `json:"hosts"`
}

// anyPlatform stands for callers of every platform, and of none.
const anyPlatform = "any"

var regionView = view[servedRegion]{
	columns: []string{"region", "partition", "batch_meter_usage", "meter_usage", "register_usage", "resolve_customer", "usage_only", "preview", "hosts"},
	narrow:  []string{"region", "batch_meter_usage", "meter_usage", "register_usage", "resolve_customer"},
	row: func(r *servedRegion) []string {
		from := func(op metering.Operation) string { return cmp.Or(strings.Join(r.Operations[op], " "), "none") }
		return []string{
			r.Region, r.Partition, from(metering.BatchMeterUsage), from(metering.MeterUsage), from(metering.RegisterUsage), from(metering.ResolveCustomer),
			strconv.FormatBool(r.UsageOnly), strconv.FormatBool(r.Preview), strings.Join(r.Hosts, " "),
		}
	},
	headings: map[string]string{
		"batch_meter_usage": "BatchMeterUsage", "meter_usage": "MeterUsage", "register_usage": "RegisterUsage", "resolve_customer": "ResolveCustomer",
	},
	name: func(r *servedRegion) string { return r.Region },
}

func newRegions() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "regions", Short: "Show what is served where, and under which host names", Args: cobra.ArbitraryArgs,
		Long: `Show what is served where: in each region, which operations, to callers of which
platforms, and in all forms but the table under which host names. It is AWS's, or
what the file says that 'meterd serve' would read: of --regions, METERD_REGIONS or
the setting in the file of --config. No server is asked. 'meterd regions print'
prints a file to start from.`,
		Example: "  meterd regions\n  meterd regions --regions regions.yaml --output json",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return &usageError{fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0]), cmd.CommandPath()}
		}
		return listRegions(cmd, output)
	}
	regionFlags(cmd)
	outputFlag(cmd, &output)
	cmd.AddCommand(newRegionsPrint())
	return cmd
}

// regionFlags are the two of serve's flags that say which tables are in effect.
func regionFlags(cmd *cobra.Command) {
	s := settingNamed("regions")
	cmd.Flags().String(s.flag(), "", s.doc)
	cmd.Flags().String("config", "", "file to read the setting from (default $"+configVariable+")")
}

// regionsInEffect are those that serve would go by. Of the other variables some are
// set for clients.
func regionsInEffect(cmd *cobra.Command) (*metering.Regions, error) {
	environ := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name != configVariable && name != settingNamed("regions").variable()
	})
	r := readConfig(cmd.Flags(), environ)
	if len(r.problems) > 0 {
		return nil, &usageError{problemList(r.problems), cmd.CommandPath()}
	}
	return r.config.served, nil
}

func listRegions(cmd *cobra.Command, form string) error {
	w, err := newListWriter(cmd.OutOrStdout(), form, regionView)
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	r, err := regionsInEffect(cmd)
	if err != nil {
		return err
	}
	for _, p := range r.Partitions {
		for _, region := range slices.Sorted(slices.Values(p.Regions)) {
			if err := w.write(servedIn(r, p, region)); err != nil {
				return err
			}
		}
	}
	return w.end()
}

func servedIn(r *metering.Regions, p metering.Partition, region string) *servedRegion {
	holds := func(areas []metering.Area) bool {
		return slices.ContainsFunc(areas, func(a metering.Area) bool { return slices.Contains(a.Regions, region) })
	}
	s := &servedRegion{
		Region: region, Partition: p.Name, UsageOnly: holds(r.UsageOnly), Preview: holds(r.Preview), Hosts: namesIn(p, region),
		Operations: make(map[metering.Operation][]string),
	}
	for _, t := range r.Tables {
		if !slices.Contains(t.Regions, region) {
			continue
		}
		from := s.Operations[t.Operation]
		for _, p := range t.Platforms {
			if !slices.Contains(from, string(p)) {
				from = append(from, string(p))
			}
		}
		if t.Platforms == nil || slices.Contains(from, anyPlatform) {
			from = []string{anyPlatform}
		}
		s.Operations[t.Operation] = from
	}
	return s
}
