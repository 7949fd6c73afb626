package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Variables that are read beside those of the settings.
const (
	variablePrefix      = "METERD_"
	configVariable      = "METERD_CONFIG"
	fileSuffix          = "_FILE" // of a variable that names a file with a secret in it
	credentialsVariable = "CREDENTIALS_DIRECTORY"
)

// otherVariables begin with METERD_ and are no settings: the commands', and those
// of tests.
var (
	otherVariables = []string{configVariable, urlVariable, caVariable, "METERD_BINARY", "METERD_SIGV4_VECTORS"}
	otherPrefixes  = []string{"METERD_SDK_", "METERD_TEST_"}
)

// value is a setting with what it was given.
type value struct {
	*setting
	texts  []string // nil: it is missing
	origin string   // where it comes from
}

// blamed is the origin as an error names it: a place in a file does not say which
// setting stands there.
func (v *value) blamed() string {
	if strings.HasPrefix(v.origin, "--") || strings.HasPrefix(v.origin, variablePrefix) {
		return v.origin
	}
	return v.origin + ": " + v.name
}

// reading is a configuration as it was read, with everything that is wrong with
// it.
type reading struct {
	config   config
	values   []value // of every setting
	problems []error
}

// layer is one place that values come from.
type layer struct {
	*koanf.Koanf
	origins map[string]string // by a setting's name
}

func newLayer() layer { return layer{koanf.New("."), make(map[string]string)} }

func (r *reading) add(origin string, err error) {
	r.problems = append(r.problems, fmt.Errorf("%s: %w", origin, err))
}

// settingFlags gives a command the flag of each setting that has one, and
// --config. What they are set to is for readConfig to judge.
func settingFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.String("config", "", "file to read settings from (default $"+configVariable+")")
	for i := range settings {
		s := &settings[i]
		switch s.field(new(config)).(type) {
		case *bool:
			flags.Bool(s.flag(), false, s.doc)
		case *[]string:
			flags.StringSlice(s.flag(), nil, s.doc)
		default:
			if !s.secret() {
				flags.String(s.flag(), s.standard, s.doc)
			}
		}
	}
}

// readConfig reads every setting: flag, then variable, then a file that a
// variable or systemd names for a secret, then the configuration file, then the
// default. Each layer is kept apart, so that it is known which one spoke.
func readConfig(flags *pflag.FlagSet, environ []string) reading {
	var r reading
	layers := []layer{
		r.flagLayer(flags),
		r.variableLayer(environ),
		r.credentialLayer(environ),
		r.fileLayer(cmp.Or(flags.Lookup("config").Value.String(), lookup(environ, configVariable)), flags.Changed("config")),
		r.standards(),
	}
	for i := range settings {
		v := value{setting: &settings[i], origin: "not set"}
		if v.required {
			v.origin = "missing"
		}
		if v.required && slices.ContainsFunc(layers, func(l layer) bool { return v.instead != "" && l.Exists(v.instead) }) {
			v.origin = "not set"
		}
		for _, l := range layers {
			if l.Exists(v.name) {
				v.texts, v.origin = l.Strings(v.name), l.origins[v.name]
				break
			}
		}
		if v.texts != nil || v.list() {
			if err := v.put(&r.config, v.texts); err != nil {
				r.add(v.blamed(), err)
			}
		}
		r.values = append(r.values, v)
	}
	r.settle()
	return r
}

// settle does what one setting means to another.
func (r *reading) settle() {
	c := &r.config
	most := r.value("connections_per_address")
	if c.behindProxy && most.origin == standardOrigin { // there they are all the proxy's
		c.connectionsPerAddress, most.texts, most.origin = 0, []string{"0"}, standardOrigin+" behind a proxy"
	}
	served, wrong := readRegions(c.regions)
	c.served = served
	for _, err := range wrong {
		r.add(r.value("regions").blamed(), err)
	}
	if served != nil {
		for _, text := range c.webIdentity {
			if issuer, err := parseWebIssuer(text); err == nil && issuer.cluster != "" && !served.Listed(issuer.cluster) {
				r.add(r.value("web_identity").blamed(), fmt.Errorf("cluster=%s: nothing is served in that region", issuer.cluster))
			}
		}
	}
	cert, key := r.value("tls_cert"), r.value("tls_key")
	switch {
	case cert.texts != nil && key.texts == nil:
		r.add(cert.blamed(), errors.New("tls_cert is given without tls_key; give both or neither"))
	case key.texts != nil && cert.texts == nil:
		r.add(key.blamed(), errors.New("tls_key is given without tls_cert; give both or neither"))
	}
}

func (r *reading) value(name string) *value {
	return &r.values[slices.IndexFunc(r.values, func(v value) bool { return v.name == name })]
}

func (r *reading) load(l layer, p koanf.Provider) layer {
	if err := l.Load(p, nil); err != nil {
		r.problems = append(r.problems, err)
	}
	return l
}

func (r *reading) flagLayer(flags *pflag.FlagSet) layer {
	l := newLayer()
	return r.load(l, posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
		s := settingNamed(strings.ReplaceAll(f.Name, "-", "_"))
		if s == nil || s.flag() != f.Name || !f.Changed {
			return "", nil
		}
		l.origins[s.name] = "--" + f.Name
		if list, ok := f.Value.(pflag.SliceValue); ok {
			return s.name, list.GetSlice()
		}
		return s.name, []string{f.Value.String()}
	}))
}

// variableLayer reads the variables, and for secrets the files that variables
// name. One that is empty counts as not set, unless empty is a value: templates
// of containers set those they have no value for.
func (r *reading) variableLayer(environ []string) layer {
	r.unknownVariables(environ)
	l := newLayer()
	l = r.load(l, env.Provider("", env.Opt{
		Prefix: variablePrefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, text string) (string, any) {
			s := settingNamed(strings.ToLower(strings.TrimPrefix(name, variablePrefix)))
			if s == nil || s.variable() != name || text == "" && !s.mayEmpty {
				return "", nil
			}
			l.origins[s.name] = name
			if s.list() {
				return s.name, splitList(text)
			}
			return s.name, []string{text}
		},
	}))
	for i := range settings {
		s := &settings[i]
		path := lookup(environ, s.variable()+fileSuffix)
		if !s.file() || path == "" {
			continue
		}
		origin := s.variable() + fileSuffix
		if l.Exists(s.name) {
			r.add(origin, fmt.Errorf("%s is set, too; set one of them", s.variable()))
			continue
		}
		r.secretFile(l, s, origin, path)
	}
	return l
}

// credentialLayer reads the secrets that systemd hands over, a file for each
// (LoadCredential=, see systemd.exec).
func (r *reading) credentialLayer(environ []string) layer {
	l := newLayer()
	dir := lookup(environ, credentialsVariable)
	for i := range settings {
		s := &settings[i]
		if !s.file() || dir == "" {
			continue
		}
		path := filepath.Join(dir, s.name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r.secretFile(l, s, "$"+credentialsVariable+"/"+s.name, path)
	}
	return l
}

// secretFile enters the secret that a file holds, without the newline at its end.
func (r *reading) secretFile(l layer, s *setting, origin, path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		r.add(origin, err)
		return
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		r.add(origin, fmt.Errorf("%s is empty", path))
		return
	}
	l.origins[s.name] = origin
	r.load(l, confmap.Provider(map[string]any{s.name: []string{text}}, ""))
}

// standardOrigin is what a default is said to come from.
const standardOrigin = "default"

func (r *reading) standards() layer {
	l := newLayer()
	all := make(map[string]any)
	for i := range settings {
		s := &settings[i]
		if s.standard != "" {
			all[s.name] = []string{s.standard}
			l.origins[s.name] = standardOrigin
		}
	}
	return r.load(l, confmap.Provider(all, ""))
}

// unknownVariables finds what was meant for us and would not be read.
func (r *reading) unknownVariables(environ []string) {
	known := slices.Clone(otherVariables)
	for i := range settings {
		known = append(known, settings[i].variable())
		if settings[i].file() {
			known = append(known, settings[i].variable()+fileSuffix)
		}
	}
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, variablePrefix) || slices.Contains(known, name) ||
			slices.ContainsFunc(otherPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		r.add(name, fmt.Errorf("there is no such variable%s", meant(name, known)))
	}
}

func lookup(environ []string, name string) string {
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

func splitList(text string) []string {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// meant suggests the known name that takes the fewest changes of a letter, if
// that is not another word altogether.
func meant(name string, known []string) string {
	nearest := slices.MinFunc(known, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	if distance(name, nearest) > len(name)/2 {
		return "; 'meterd config print' lists them all"
	}
	return fmt.Sprintf("; did you mean %s?", nearest)
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// place is a position in a file as compilers write it, which editors understand.
func place(path string, line, column int) string {
	return path + ":" + strconv.Itoa(line) + ":" + strconv.Itoa(column)
}
