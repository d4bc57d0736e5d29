// Package web is the house of what the console draws: layout, parts, static files, and one room for each noun's pages.
// It refuses to fetch: its rooms take view models that are formatted and whose permissions are decided.
package web
