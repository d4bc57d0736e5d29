package ledger

import "time"

// FoldEvery is how often accounts that are over are looked for.
const FoldEvery = time.Hour

const (
	keptFor  = 30 * 24 * time.Hour // an account of a subject stays for so long after its period, and one of a run without end after its last call
	foldMax  = 1000                // accounts in one transaction
	foldSpan = time.Minute         // of work in one job
)

// Fold is the job that adds accounts of subjects that are over to one of nobody, so that they do not stay for ever. What people have spent of
// a limit without end is never forgotten.
type Fold struct{}

// Kind names the job.
func (Fold) Kind() string { return "ledger_fold" }

// group is a budget's period and its accounts that are over.
type group struct {
	whole    Key
	end      *time.Time
	subjects []string
}
