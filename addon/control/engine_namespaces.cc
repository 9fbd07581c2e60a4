// Publishing namespace tables to the reactors.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "control/engine.h"
#include "control/engine_state.h"

namespace capsuled::control {

Result<void> Engine::namespaces_publish(uint32_t table,
                                        const std::vector<NamespaceRequest>& requests, Done applied,
                                        Done drained) {
  ASSERT(table != 0);
  const Table& old = tables_[table];
  Table next;
  for (const NamespaceRequest& request : requests) {
    const auto before = old.find(request.nsid);
    const bool same_bdev =
        before != old.end() && before->second->entry->bdev == bdevs_->find(request.bdev);
    if (same_bdev && before->second->request.read_only == request.read_only) {
      next[request.nsid] = before->second;
      continue;
    }
    auto desc = bdevs_->open(request.bdev);
    if (!desc) return desc.error();
    auto published = std::make_shared<Published>();
    published->request = request;
    published->desc = std::move(desc).value();
    auto entry = std::make_shared<nvmf::NamespaceEntry>();
    entry->since_version =
        same_bdev ? before->second->entry->since_version : nvmf::take_table_version();
    entry->nsid = request.nsid;
    entry->read_only = request.read_only;
    entry->bdev = published->desc->entry();
    // What a host did is counted on, whatever else of the namespace becomes another.
    if (same_bdev) published->stats = before->second->stats;
    for (size_t index = 0; index < lanes_.size(); index++) {
      if (!same_bdev) published->stats.push_back(std::make_shared<nvmf::NamespaceStats>());
      entry->stats.push_back(published->stats[index].get());
    }
    published->entry = std::move(entry);
    next[request.nsid] = std::move(published);
  }

  // What went away stays open, with its statistics, until no reactor uses it. What stays is not in
  // `gone`: when a later publication takes that away, it must not be held by the disks of this one.
  auto gone = std::make_shared<Table>(std::move(tables_[table]));
  std::erase_if(*gone, [&](const auto& each) {
    const auto after = next.find(each.first);
    return after != next.end() && after->second == each.second;
  });
  Entries left;
  for (const auto& [nsid, published] : *gone) left.push_back(published->entry);
  tables_[table] = std::move(next);
  std::vector<View> views;
  for (const auto& [handle, controller] : controllers_) {
    if (controller.table == table && controller.view != 0) views.push_back(view_of(controller));
  }
  Join* const used =
      Join::make(completions_, static_cast<uint32_t>(lanes_.size()), std::move(applied));
  on_each([gone, drained = std::move(drained)] { gone->clear(), drained(); },
          [table, entries = entries_of(table), left, views, used](Lane& lane, Join& join) {
            for (const View& view : views) {
              lane.views.at(view.number).namespaces->publish(view.entries, [] {});
            }
            auto& slot = lane.tables[table];
            if (slot == nullptr) slot = std::make_unique<nvmf::NamespaceTable>(*lane.reactor);
            // What is gone is used by the table, and by what its views were, those that end too.
            auto parts = std::make_shared<size_t>(1);
            const auto part_drained = [parts, &join] {
              if (--*parts == 0) join.arrive();
            };
            for (const auto& [number, view] : lane.views) {
              if (view.table != table) continue;
              ++*parts;
              view.namespaces->when_drained(left, part_drained);
            }
            slot->publish(entries, part_drained);
            used->arrive();
          });
  return {};
}

Engine::Entries Engine::entries_of(uint32_t table) const {
  Entries entries;
  const auto found = tables_.find(table);
  if (found == tables_.end()) return entries;
  for (const auto& [nsid, published] : found->second) entries.push_back(published->entry);
  return entries;
}

Engine::View Engine::view_of(const Controller& controller) const {
  View view{.number = controller.view,
            .table = controller.table,
            .entries = entries_of(controller.table),
            .withheld = controller.withheld,
            .retry_delay = controller.retry_delay};
  std::erase_if(view.entries, [&](const auto& entry) {
    return std::binary_search(view.withheld.begin(), view.withheld.end(), entry->nsid);
  });
  return view;
}

void Engine::controller_withhold(uint32_t handle, std::vector<uint32_t> nsids, uint8_t retry_delay,
                                 Done done) {
  ASSERT(std::is_sorted(nsids.begin(), nsids.end()));
  const auto found = controllers_.find(handle);
  // A controller that is gone, or that has no namespaces, reaches none.
  if (found == controllers_.end() || found->second.table == 0) {
    completions_.push(std::move(done));
    return;
  }
  Controller& controller = found->second;
  controller.withheld = std::move(nsids);
  controller.retry_delay = retry_delay;
  if (controller.withheld.empty()) {
    end_view(controller, std::move(done));
    return;
  }
  if (controller.view == 0) controller.view = view_next_++;
  on_each(std::move(done),
          [view = view_of(controller), queues = io_queues(controller)](Lane& lane, Join& join) {
            auto& [table, namespaces] = lane.views[view.number];
            table = view.table;
            if (namespaces == nullptr) {
              namespaces = std::make_unique<nvmf::NamespaceTable>(*lane.reactor);
            }
            namespaces->withhold(view.withheld, view.retry_delay);
            namespaces->publish(view.entries, [] {});
            for (const ConnectionId queue : queues) lane.group->set_table(queue, *namespaces);
            join.arrive();
          });
}

/// The I/O queues, if it has some, are given the table. The view goes when its commands have ended,
/// by a message of its own.
void Engine::end_view(Controller& controller, Done done) {
  const uint32_t number = std::exchange(controller.view, 0);
  if (number == 0) {
    completions_.push(std::move(done));
    return;
  }
  on_each(std::move(done), [number, table = controller.table, queues = io_queues(controller)](
                               Lane& lane, Join& join) {
    if (const auto view = lane.views.find(number); view != lane.views.end()) {
      auto& slot = lane.tables[table];
      if (slot == nullptr) slot = std::make_unique<nvmf::NamespaceTable>(*lane.reactor);
      for (const ConnectionId queue : queues) lane.group->set_table(queue, *slot);
      view->second.namespaces->publish({}, [] {});
    }
    join.arrive();
  });
  on_each(
      [this, number] {
        on_each([] {},
                [number](Lane& lane, Join& join) {
                  lane.views.erase(number);
                  join.arrive();
                });
      },
      [number](Lane& lane, Join& join) {
        const auto view = lane.views.find(number);
        if (view == lane.views.end()) {  // the engine stops
          join.arrive();
          return;
        }
        view->second.namespaces->when_drained([&join] { join.arrive(); });
      });
}

std::vector<ConnectionId> Engine::io_queues(const Controller& controller) {
  std::vector<ConnectionId> queues;
  for (const auto& [qid, connection] : controller.queues) {
    if (qid != 0) queues.push_back(connection);
  }
  return queues;
}

void Engine::namespaces_delete(uint32_t table, Done done) {
  // Two steps: a table is destroyed by a message of its own, not from its own last callback.
  const auto forget = [this, table, done = std::move(done)] {
    on_each(done, [table](Lane& lane, Join& join) {
      lane.tables.erase(table);
      join.arrive();
    });
  };
  // Earlier publications may have left namespaces that are not drained yet.
  const auto published = namespaces_publish(
      table, {}, [] {},
      [this, table, forget] {
        tables_.erase(table);
        on_each(forget, [table](Lane& lane, Join& join) {
          lane.tables.at(table)->when_drained([&join] { join.arrive(); });
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
