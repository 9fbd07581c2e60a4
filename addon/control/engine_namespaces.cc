// Publishing namespace tables to the reactors.
#include <cerrno>

#include "base/assert.h"
#include "control/engine.h"
#include "control/engine_state.h"

namespace capsuled::control {

Result<void> Engine::namespaces_publish(uint32_t table,
                                        const std::vector<NamespaceRequest>& requests, Done done) {
  ASSERT(table != 0);
  const Table& old = tables_[table];
  Table next;
  for (const NamespaceRequest& request : requests) {
    const auto same = old.find(request.nsid);
    if (same != old.end() && same->second->request.bdev == request.bdev &&
        same->second->request.read_only == request.read_only) {
      next[request.nsid] = same->second;
      continue;
    }
    auto desc = bdevs_->open(request.bdev, BdevClaim::Shared);
    if (!desc) return desc.error();
    auto published = std::make_shared<Published>();
    published->request = request;
    published->desc = std::move(desc).value();
    auto entry = std::make_shared<nvmf::NamespaceEntry>();
    entry->nsid = request.nsid;
    entry->read_only = request.read_only;
    entry->bdev = published->desc->entry();
    for (size_t index = 0; index < lanes_.size(); index++) {
      published->stats.push_back(std::make_shared<nvmf::NamespaceStats>());
      entry->stats.push_back(published->stats.back().get());
    }
    published->entry = std::move(entry);
    next[request.nsid] = std::move(published);
  }

  std::vector<std::shared_ptr<const nvmf::NamespaceEntry>> entries;
  for (const auto& [nsid, published] : next) entries.push_back(published->entry);
  // What went away stays open, with its statistics, until no reactor uses it.
  auto gone = std::make_shared<Table>(std::move(tables_[table]));
  tables_[table] = std::move(next);
  on_each([gone, done = std::move(done)] { gone->clear(), done(); },
          [table, entries](Lane& lane, Join& join) {
            auto& slot = lane.tables[table];
            if (slot == nullptr) slot = std::make_unique<nvmf::NamespaceTable>(*lane.reactor);
            slot->publish(entries, [&join] { join.arrive(); });
          });
  return {};
}

void Engine::namespaces_delete(uint32_t table, Done done) {
  const auto published = namespaces_publish(table, {}, [this, table, done = std::move(done)] {
    tables_.erase(table);
    on_each(done, [table](Lane& lane, Join& join) {
      lane.tables.erase(table);
      join.arrive();
    });
  });
  ASSERT(published.ok());
}

StatsBlocks<nvmf::NamespaceStats> Engine::namespace_stats(uint32_t table, uint32_t nsid) const {
  const auto found = tables_.find(table);
  if (found == tables_.end()) return {};
  const auto published = found->second.find(nsid);
  if (published == found->second.end()) return {};
  return published->second->stats;
}

}  // namespace capsuled::control
