package state

import "tollgate.dev/dataplane/wire"

// Mirror says that some calls of a route are put to another target too, whose answer nobody gets.
type Mirror struct {
	Target        Target
	SharePerMille uint32
}

const mille = 1000

func (c *compiler) mirror(in *wire.Mirror) *Mirror {
	if in == nil {
		return nil
	}
	if share := in.GetSharePerMille(); share == 0 || share > mille {
		c.fail("mirror.share_per_mille", "the share is not between 1 and %d", mille)
	}
	return &Mirror{Target: c.target("mirror.target", 0, in.GetTarget()), SharePerMille: in.GetSharePerMille()}
}
