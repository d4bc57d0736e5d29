package wire

// Labels that edges give to calls of their own making, with the route's name as the value, so that budgets and the console tell those apart.
const (
	CacheLabel  = "tollgate_cache"  // embeds a question for the route's cache
	MirrorLabel = "tollgate_mirror" // repeats a call at the route's mirror
)
