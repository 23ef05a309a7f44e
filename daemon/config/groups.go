package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/format/haconf"
)

// RoleScript is the word of haresources whose argument is a resource of
// drbd.conf: where a group runs, that one is Primary.
const RoleScript = "drbddisk"

// ResourcesOf are the resources that become Primary in the groups in which a
// script with that argument stands; all, if these groups name none. What another
// group replicates may be a copy.
func (s *Site) ResourcesOf(script, arg string) (list []Resource) {
	var roles []string
	for _, g := range s.Groups {
		if !slices.ContainsFunc(g.Resources, func(r haconf.Resource) bool {
			return r.Script == script && slices.Equal(r.Args, []string{arg})
		}) {
			continue
		}
		for _, r := range g.Resources {
			roles = append(roles, r.Text)
		}
	}
	for _, r := range s.Resources {
		if slices.Contains(roles, RoleScript+"::"+r.Conf.Name) {
			list = append(list, r)
		}
	}
	if list == nil {
		return s.Resources
	}
	return list
}

// checkRoles looks for the resources that haresources names.
func (s *Site) checkRoles(file string) error {
	var names []string
	for _, r := range s.Resources {
		names = append(names, RoleScript+"::"+r.Conf.Name)
	}
	var errs []error
	for _, g := range s.Groups {
		for _, r := range g.Resources {
			switch {
			case r.Script != RoleScript || slices.Contains(names, r.Text):
			case s.noDRBD != nil:
				return s.noDRBD
			default:
				errs = append(errs, fmt.Errorf("%s:%d: found '%s', want a resource of drbd.conf: %s",
					file, g.Line, r.Text, strings.Join(names, ", ")))
			}
		}
	}
	return errors.Join(errs...)
}
