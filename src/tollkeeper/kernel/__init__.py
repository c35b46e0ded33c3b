"""The words everyone uses: money, quantities, ids, time, scope, pages and coded errors."""
