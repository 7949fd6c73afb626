package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// making is a verb that makes something: it posts what its flags say, and shows
// what has come of it.
type making[In, Out any] struct {
	use, short, long, example string

	arg    string                                // "" if it takes none
	of     string                                // the kind of thing that arg names, for completing it; "" if it is new
	start  func(arg string) (path string, in In) // where it is posted, and what is known of it
	needs  []string
	fields []field[In]
	view   view[Out]

	// secret, if not nil, is what is shown this once. Then the request can have an
	// idempotency key, unless it is one that cannot be repeated at all.
	secret     func(*Out) string
	unrepeated bool
	bare       bool // without --output, print the secret and nothing else
}

func (m making[In, Out]) command() *cobra.Command {
	var output, key string
	args := exactly()
	if m.arg != "" {
		m.use += " " + m.arg
		args = exactly(m.arg)
	}
	if m.secret != nil {
		m.view.name = nil // who asks for the name alone would never see the secret
	}
	cmd := newCommand(m.use, m.short, m.example, args, func(cmd *cobra.Command, c *client, args []string) error {
		if err := need(cmd, "", m.needs); err != nil {
			return err
		}
		if err := checkForm(cmd, output, m.view); err != nil {
			return err
		}
		path, in := m.start(append(args, "")[0])
		if err := fill(cmd, m.fields, &in); err != nil {
			return err
		}
		var out Out
		c.idempotencyKey = key
		if err := c.call(cmd.Context(), http.MethodPost, path, in, &out); err != nil {
			return err
		}
		return m.show(cmd, output, &out)
	})
	cmd.Long = m.long
	if m.of != "" {
		cmd.ValidArgsFunction = completeName(m.of)
	}
	declare(cmd, options(m.fields))
	if !m.unrepeated {
		cmd.Flags().StringVar(&key, "idempotency-key", "", "repeated with the same key, the command makes nothing again")
	}
	outputFlag(cmd, &output)
	if m.bare {
		cmd.Flags().Lookup("output").Usage = "table, json, yaml or csv (default: the token alone)"
	}
	return cmd
}

// notAgain tells who has lost a secret what there is to do.
const notAgain = "this was made before, with this idempotency key: its secret was shown then, and is not again"

func (m making[In, Out]) show(cmd *cobra.Command, output string, out *Out) error {
	if m.secret == nil {
		return printOne(cmd, output, m.view, out)
	}
	secret := m.secret(out)
	if m.bare && output == "" {
		if secret == "" {
			return errors.New(notAgain + "; --output json shows the rest of it")
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), secret)
		return err
	}
	if err := printOne(cmd, output, m.view, out); err != nil {
		return err
	}
	form, err := formOf(cmd.OutOrStdout(), output, false)
	switch {
	case err != nil:
		return err
	case secret == "":
		fmt.Fprintln(cmd.ErrOrStderr(), "meterd:", notAgain)
	case form == "table":
		fmt.Fprintln(cmd.ErrOrStderr(), "Keep the secret: it is shown this once.")
	}
	return nil
}
