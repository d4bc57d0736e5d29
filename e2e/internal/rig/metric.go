package rig

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Sum reads a metric without labels at every edge that runs and adds up what they say.
func (r *Rig) Sum(ctx context.Context, metric string) (float64, error) {
	sum := 0.0
	for _, edge := range r.Edges {
		value, err := edge.Metric(ctx, metric)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

// Metric reads one series of the edge, labels and all as the scrape writes them.
func (e *Edge) Metric(ctx context.Context, series string) (float64, error) {
	value, found := 0.0, false
	err := e.scrape(ctx, series+" ", func(text string) (err error) {
		value, err = strconv.ParseFloat(text, 64)
		found = true
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("%s measures no %s", e.Name, series)
	}
	return value, err
}

// Buckets reads a histogram without other labels: how many measurements were at most so large.
func (e *Edge) Buckets(ctx context.Context, histogram string) (map[float64]float64, error) {
	buckets := map[float64]float64{}
	err := e.scrape(ctx, histogram+`_bucket{le="`, func(text string) error {
		bound, count := 0.0, 0.0
		if _, err := fmt.Sscanf(strings.Replace(text, `"}`, "", 1), "%g %g", &bound, &count); err != nil {
			return err
		}
		buckets[bound] = count
		return nil
	})
	if err == nil && len(buckets) == 0 {
		err = fmt.Errorf("%s measures no %s", e.Name, histogram)
	}
	return buckets, err
}

// scrape hands over what follows the prefix on each line of the edge's metrics that has it.
func (e *Edge) scrape(ctx context.Context, prefix string, take func(text string) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/metrics", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), prefix); found {
			if err := take(text); err != nil {
				return err
			}
		}
	}
	return nil
}
