package budget

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func benchBook(b *testing.B) *Book {
	b.Helper()
	return New(Config{Ledger: newLedger(1 << 60), Record: newSpool().record, LimitPico: unknownLimit, Connected: func() bool { return true }, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
}

// fund gives the account all that it will need.
func fund(a *account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.granted, a.leased = 1<<60, true
}

func reserveAndSettle(b *testing.B, book *Book, key *state.Key, calls ...state.Facts) {
	b.Helper()
	now := time.Now()
	for _, call := range calls {
		for _, budget := range key.Budgets {
			subject, _ := budget.Selector.Subject(&call)
			fund(book.entry(key.Org.ID, budget, subject, now).account)
		}
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		reservation, refused := book.Reserve(b.Context(), key, calls[i%len(calls)], 1000, now)
		if refused != nil {
			b.Fatal(refused)
		}
		reservation.Settle(1)
	}
}

func BenchmarkReserveAndSettle(b *testing.B) {
	b.Run("one budget", func(b *testing.B) {
		reserveAndSettle(b, benchBook(b), keyWith(dayBudget(1, false)), state.Facts{})
	})
	b.Run("four nested", func(b *testing.B) {
		reserveAndSettle(b, benchBook(b), keyWith(dayBudget(1, false), dayBudget(2, false), dayBudget(3, false), dayBudget(4, true)), state.Facts{})
	})
	b.Run("of 10,000 end users", func(b *testing.B) {
		calls := make([]state.Facts, 10_000)
		for i := range calls {
			calls[i].EndUser = fmt.Sprintf("user-%d", i)
		}
		reserveAndSettle(b, benchBook(b), keyWith(dayBudget(1, false), eachUser(b)), calls...)
	})
	b.Run("two cores, four nested", func(b *testing.B) {
		book, key, now := benchBook(b), keyWith(dayBudget(1, false), dayBudget(2, false), dayBudget(3, false), dayBudget(4, true)), time.Now()
		for _, budget := range key.Budgets {
			fund(book.entry(key.Org.ID, budget, "", now).account)
		}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				reservation, refused := book.Reserve(b.Context(), key, state.Facts{}, 1000, now)
				if refused != nil {
					b.Error(refused)
					return
				}
				reservation.Settle(1)
			}
		})
	})
}

// BenchmarkAccounts tells what an account of one end user takes in memory, and how long a tick takes over all of them.
func BenchmarkAccounts(b *testing.B) {
	const users = 100_000
	var before, after runtime.MemStats
	book, key, now := benchBook(b), wire.ID{2}, time.Now()
	budget := eachUser(b)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range users {
		fund(book.entry(key, budget, fmt.Sprintf("user-%d", i), now).account)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		book.tick()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/users, "B/account")
}
