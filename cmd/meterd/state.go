package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
)

// devState is what a running `meterd dev` leaves in the user's state directory, so
// that commands in other shells find it. It holds secrets.
type devState struct {
	URL       string            `json:"url"`
	PID       int               `json:"pid"`
	Token     string            `json:"admin_token"`
	Variables map[string]string `json:"variables"` // of awsVariables
}

// awsVariables are what an AWS SDK has to know, trustVariables last; no other name
// is believed.
var awsVariables = []string{
	"AWS_ENDPOINT_URL_MARKETPLACE_METERING", "AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", "AWS_ENDPOINT_URL_STS",
	"AWS_ENDPOINT_URL_CLOUDTRAIL",
	"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
	"AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
}

// statePath is where the XDG Base Directory Specification wants such a file. It
// says of a relative path, too, that it is to be ignored.
func statePath() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "meterd", "dev.json"), nil
}

// readState is nil if no dev has left anything.
func readState() (*devState, error) {
	path, err := statePath()
	if err != nil {
		return nil, nil // without a home there is no file
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := new(devState)
	if err := json.Unmarshal(text, s); err != nil || s.URL == "" || s.Token == "" {
		return nil, fmt.Errorf("%s is not what 'meterd dev' writes there: remove it", path)
	}
	return s, nil
}

// remember writes the state file. forget removes it again, if no other dev has
// written it since. That it cannot be written is no reason not to serve.
func (e environment) remember(log *slog.Logger) (forget func(), ok bool) {
	forget = func() {}
	path, err := statePath()
	if err != nil {
		log.Debug("other shells will not find this server by themselves", "error", err)
		return forget, false
	}
	own := devState{URL: e.url, PID: os.Getpid(), Variables: make(map[string]string)}
	for _, v := range e.variables {
		switch {
		case v.name == tokenVariable:
			own.Token = v.value
		case slices.Contains(awsVariables, v.name):
			own.Variables[v.name] = v.value
		}
	}
	text, err := json.MarshalIndent(own, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = writeWhole(path, append(text, '\n'))
	}
	if err != nil {
		log.Warn("other shells will not find this server by themselves", "error", err)
		return forget, false
	}
	return func() {
		if s, err := readState(); err == nil && s != nil && s.URL == own.URL && s.PID == own.PID {
			_ = os.Remove(path)
		}
	}, true
}
