package drbdmeta

import "strings"

// The legend explains the line of GetGI, which stands between its two halves.
//
//nolint:dupword // it is a drawing
const (
	legendAbove = `
       +--<  Current data generation UUID  >-
       |               +--<  Bitmap's base data generation UUID  >-
       |               |                 +--<  younger history UUID  >-
       |               |                 |         +-<  older history  >-
       V               V                 V         V
`
	legendBelow = `
                                                                    ^ ^ ^ ^ ^ ^ ^
                                      -<  Data consistency flag  >--+ | | | | | |
                             -<  Data was/is currently up-to-date  >--+ | | | | |
                                  -<  Node was/is currently primary  >--+ | | | |
                                  -<  Node was/is currently connected  >--+ | | |
         -<  Node was in the progress of setting all bits in the bitmap  >--+ | |
                        -<  The peer's disk was out-dated or inconsistent  >--+ |
      -<  This node was a crashed primary, and has not seen its peer since   >--+

`
)

// ShowGI is the generation in the form of "drbdadm show-gi": the line of GetGI
// with a legend, and its flags in words. Source: DRBD meta-data, section 9, and
// the output of drbdadm 8.4.
func (s Superblock) ShowGI() string {
	words := []string{"Secondary", "StandAlone"}
	if s.Flags&MDPrimaryInd != 0 {
		words[0] = "Primary"
	}
	if s.Flags&MDCrashedPrimary != 0 {
		words[0] = "crashed " + words[0]
	}
	if s.Flags&MDConnectedInd != 0 {
		words[1] = "Connected"
	}
	switch {
	case s.Flags&MDConsistent == 0:
		words = append(words, "Inconsistent")
	case s.Flags&MDWasUpToDate == 0:
		words = append(words, "Outdated")
	default:
		words = append(words, "UpToDate")
	}
	state := "clean"
	if s.NeedsReplay() {
		state = "need apply-al"
	}
	return legendAbove + s.GetGI() + legendBelow + "flags: " + strings.Join(words, ", ") + "\nmeta-data: " + state + "\n"
}
