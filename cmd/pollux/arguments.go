package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// explainArguments lets a command, and all below it, say what it found and what
// would be right.
func explainArguments(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%s: %w; '%s --help' has the flags", verbOf(cmd), err, cmd.CommandPath())
	})
	for _, sub := range cmd.Commands() {
		explainArguments(sub)
	}
	fits, want := cmd.Args, wanted(cmd)
	switch {
	case !cmd.HasParent(): // cobra tells what a command may have been meant for
		return
	case !cmd.Runnable(): // cobra would print the help, and call that a success
		fits = cobra.NoArgs
		cmd.DisableFlagsInUseLine = true
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	case fits == nil:
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if fits(cmd, args) == nil {
			return nil
		}
		found := "nothing"
		if len(args) > 0 {
			found = fmt.Sprintf("%q", strings.Join(args, " "))
		}
		return fmt.Errorf("%s: found %s, want %s", verbOf(cmd), found, want)
	}
}

// verbOf is what a command is called below pollux.
func verbOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// wanted is what stands behind the name of a command.
func wanted(cmd *cobra.Command) string {
	if operands := strings.TrimSpace(strings.TrimPrefix(cmd.Use, cmd.Name())); operands != "" {
		return operands
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	switch {
	case len(names) == 0:
		return "nothing"
	case cmd.Runnable():
		names = append(names, "nothing")
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
