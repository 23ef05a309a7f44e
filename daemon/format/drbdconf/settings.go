package drbdconf

// NetSettings are the options that the file sets, as arguments of drbdsetup:
// --timeout=60.
func (r *Resource) NetSettings() []string { return settingsOf(netSection, &r.Net, r.given.net) }

// StartupSettings are for a wait until the peer is there.
func (r *Resource) StartupSettings() []string {
	return settingsOf(startupSection, &r.Startup, r.given.startup)
}

// DiskSettings are for an attach of the volume.
func (r *Resource) DiskSettings(v *Volume) []string {
	return settingsOf(diskSection, &v.Options, r.given.disk)
}

func settingsOf[T any](s *section[T], t *T, given uint64) []string {
	defaults, _ := build(s)
	var list []string
	for i, o := range s.options {
		value := o.show(t)
		switch {
		case value == o.show(&defaults) && given&(1<<i) == 0:
		case o.bare && value == "yes":
			list = append(list, "--"+o.name)
		case o.bare:
		default:
			list = append(list, "--"+o.name+"="+unquote(value))
		}
	}
	return list
}
