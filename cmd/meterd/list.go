package main

import "github.com/spf13/cobra"

// list prints every page of a list, each as it comes, in one of the forms.
func list[T any](cmd *cobra.Command, form string, v view[T], page func(c *client, cursor string) ([]T, string, error)) error {
	out := cmd.OutOrStdout()
	w, err := newListWriter(out, form, v)
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	var read *progress // on a terminal the list itself shows how far it is
	if !isTerminal(out) {
		read = newProgress(cmd.ErrOrStderr(), "read", unknown)
		defer read.done()
	}
	for cursor := ""; ; {
		items, next, err := page(c, cursor)
		if err != nil {
			return err
		}
		for i := range items {
			if err := w.write(&items[i]); err != nil {
				return err
			}
		}
		read.add(len(items))
		if cursor = next; cursor == "" {
			return w.end()
		}
	}
}
