package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Show what 'meterd serve' would go by, and where from", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0]), cmd.CommandPath()}
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newConfigPrint(), newConfigSchema())
	return cmd
}

func newConfigPrint() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "print", Short: "Print every setting with its value and where it comes from", Args: exactly(),
		Long: `Print every setting of 'meterd serve' with its value and where that comes from.
It takes the flags of serve, and reads the same variables and the same file.
Secrets are shown as ***. What is wrong is reported, and makes the command fail;
what is only missing is shown as missing.`,
		Example: `  meterd config print --config meterd.yaml
  meterd config print --listen :8484 --output yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := readConfig(cmd.Flags(), os.Environ())
			if err := printConfig(cmd.OutOrStdout(), form, r.values); err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			if len(r.problems) > 0 {
				return &usageError{problemList(r.problems), cmd.CommandPath()}
			}
			return nil
		},
	}
	settingFlags(cmd)
	cmd.Flags().StringVar(&form, "output", "", "table, json or yaml (default: table on a terminal, json otherwise)")
	return cmd
}

// problemList is all that is wrong, each on a line of its own.
func problemList(problems []error) error {
	if len(problems) == 1 {
		return problems[0]
	}
	text := "the configuration cannot be used:"
	for _, p := range problems {
		text += "\n  " + p.Error()
	}
	return errors.New(text)
}

func printConfig(out io.Writer, form string, values []value) error {
	if form == "" {
		form = "json"
		if isTerminal(out) {
			form = "table"
		}
	}
	switch form {
	case "table":
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SETTING\tVALUE\tFROM")
		for _, v := range values {
			fmt.Fprintf(w, "%s\t%s\t%s\n", v.name, strings.Join(v.shown(), ","), v.origin)
		}
		return w.Flush()
	case "json":
		type row struct {
			Name  string `json:"name"`
			Value any    `json:"value"` // null when there is none
			From  string `json:"from"`
		}
		w := newJSONArray[row](out)
		for _, v := range values {
			if err := w.write(&row{v.name, v.plain(), v.origin}); err != nil {
				return err
			}
		}
		return w.end()
	case "yaml":
		return printYAML(out, values)
	}
	return fmt.Errorf("--output %q is none of table, json, yaml", form)
}

// printYAML writes a configuration file that says the same, each line with where
// its value comes from.
func printYAML(out io.Writer, values []value) error {
	for _, v := range values {
		line := "# " + v.name + ":"
		if v.texts != nil {
			b, err := yaml.MarshalWithOptions(map[string]any{v.name: v.plain()}, yaml.Flow(v.list()))
			if err != nil {
				return err
			}
			line = strings.Trim(strings.TrimSpace(string(b)), "{}")
		}
		if _, err := fmt.Fprintf(out, "%s # %s\n", line, v.origin); err != nil {
			return err
		}
	}
	return nil
}

// shown is the value as it may be seen.
func (v *value) shown() []string {
	switch _, url := v.field(new(config)).(*databaseURL); {
	case v.texts == nil:
		return nil
	case v.secret():
		return []string{"***"}
	case url:
		return []string{databaseURL(v.texts[0]).String()}
	}
	return v.texts
}

// plain is the value in its own type, as JSON and YAML write it; nil if it is
// missing.
func (v *value) plain() any {
	texts := v.shown()
	switch {
	case v.list():
		return append([]string{}, texts...)
	case texts == nil:
		return nil
	}
	return plainOf(v.setting, texts[0])
}

// plainOf is a text as the setting's type; one that is no value of it stays a
// text.
func plainOf(s *setting, text string) any {
	switch s.field(new(config)).(type) {
	case *bool:
		if on, err := strconv.ParseBool(text); err == nil {
			return on
		}
	case *int:
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	return text
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of the configuration file", Args: exactly(),
		Long: `Print the JSON schema of the configuration file. Editors that know it complete the
names of settings and mark what is wrong while it is written; for those that use
yaml-language-server, the file's first line would be

  # yaml-language-server: $schema=meterd.schema.json`,
		Example: "  meterd config schema",
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := json.NewEncoder(cmd.OutOrStdout())
			w.SetIndent("", "  ")
			w.SetEscapeHTML(false)
			return w.Encode(configSchema())
		},
	}
}

// configSchema is the settings as a JSON schema. Nothing is required there: a
// value can come from elsewhere.
func configSchema() map[string]any {
	properties := make(map[string]any)
	for i := range settings {
		s := &settings[i]
		p := map[string]any{"description": s.doc}
		switch s.field(new(config)).(type) {
		case *bool:
			p["type"] = "boolean"
		case *int:
			p["type"], p["minimum"] = "integer", 0
		case *[]string:
			p["type"], p["items"] = "array", map[string]any{"type": "string"}
		case *time.Duration:
			p["type"], p["pattern"] = "string", durationPattern
		default:
			p["type"] = "string"
		}
		if s.oneOf != nil {
			p["enum"] = s.oneOf
		}
		if s.standard != "" {
			p["default"] = plainOf(s, s.standard)
		}
		properties[s.name] = p
	}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "meterd's configuration", "type": "object",
		"properties": properties, "additionalProperties": false,
	}
}
